#include <modalconflict/core/relative_uncertainty.hpp>

#include "expect_error.hpp"

#include <cmath>
#include <limits>
#include <vector>

namespace mc = modalconflict;
using Values = std::vector<double>;

namespace {

Values relative(const Values& text, const Values& vision, mc::ZeroPolicy policy = mc::ZeroPolicy::nan) {
    Values out(text.size());
    mc::relative_uncertainty(text, vision, policy, out);
    return out;
}

Values ratio(const Values& text, const Values& vision, mc::ZeroPolicy policy = mc::ZeroPolicy::nan) {
    Values out(text.size());
    mc::log_uncertainty_ratio(text, vision, policy, out);
    return out;
}

}  // namespace

TEST(RelativeUncertainty, IsTheDifferenceOverTheMean) {
    EXPECT_EQ(relative({0.5, 1.0, 0.0, 2.0}, {1.5, 1.0, 3.0, 0.0}), (Values{-1.0, 0.0, -2.0, 2.0}));
}

TEST(RelativeUncertainty, SurvivesExtremeMagnitudes) {
    const double huge = std::numeric_limits<double>::max(), tiny = std::numeric_limits<double>::denorm_min();
    EXPECT_EQ(relative({huge, tiny}, {huge, 3 * tiny}), (Values{0.0, -1.0}));
}

TEST(RelativeUncertainty, ZeroOverZeroFollowsThePolicy) {
    EXPECT_TRUE(std::isnan(relative({0.0}, {0.0})[0]));
    EXPECT_EQ(relative({0.0}, {0.0}, mc::ZeroPolicy::zero)[0], 0.0);
    EXPECT_NAMES(relative({1.0, 0.0}, {1.0, 0.0}, mc::ZeroPolicy::raise), "u_text[1] and u_vision[1] are both zero");
    EXPECT_TRUE(std::isnan(ratio({0.0}, {0.0})[0]));
    EXPECT_EQ(ratio({0.0}, {0.0}, mc::ZeroPolicy::zero)[0], 0.0);
}

TEST(RelativeUncertainty, BadInputIsNamed) {
    EXPECT_NAMES(relative({1.0, -1.0}, {1.0, 1.0}), "u_text[1] is -1");
    EXPECT_NAMES(relative({1.0}, {std::nan("")}), "u_vision[0] is nan");
    EXPECT_NAMES(relative({1.0}, {INFINITY}), "u_vision[0] is inf");
    EXPECT_NAMES(relative({1.0}, {1.0, 2.0}), "u_vision has 2 entries but u_text has 1");
}

TEST(LogUncertaintyRatio, IsTheHyperbolicTwin) {
    const Values text = {0.5, 2.0, 1e-9}, vision = {1.5, 0.25, 3.0};
    const Values delta = relative(text, vision), logs = ratio(text, vision);
    for (std::size_t i = 0; i < 2; ++i) EXPECT_NEAR(logs[i], 2.0 * std::atanh(delta[i] / 2.0), 1e-12);
    EXPECT_NEAR(logs[2], std::log(1e-9 / 3.0), 1e-12);
    EXPECT_EQ(ratio({0.0}, {1.0})[0], -INFINITY);
}

TEST(RelativeUncertaintyError, IsTheNumericalDerivative) {
    const double text = 0.7, vision = 1.9, e_text = 0.05, e_vision = 0.08, h = 1e-6;
    const double by_text = (relative({text + h}, {vision})[0] - relative({text - h}, {vision})[0]) / (2 * h);
    const double by_vision = (relative({text}, {vision + h})[0] - relative({text}, {vision - h})[0]) / (2 * h);
    double out = 0.0;
    mc::relative_uncertainty_error(Values{text}, Values{vision}, Values{e_text}, Values{e_vision}, {&out, 1});
    EXPECT_NEAR(out, std::hypot(by_text * e_text, by_vision * e_vision), 1e-9);
    EXPECT_NAMES(
        mc::relative_uncertainty_error(Values{text}, Values{vision}, Values{-1.0}, Values{e_vision}, {&out, 1}),
        "error_text[0] is -1");
}
