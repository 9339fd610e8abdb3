#include <modalconflict/core/monotone_fit.hpp>

#include "core/pava_stack.hpp"
#include "expect_error.hpp"

#include <cmath>
#include <limits>
#include <vector>

namespace mc = modalconflict;
using Values = std::vector<double>;

namespace {
void expect_near(const Values& found, const Values& expected, double tolerance) {
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], tolerance) << "at " << i;
}
const Values kX = {5, 1, 0, 2, 1, 3, 6, 4}, kY = {.1, 1, .9, .7, .6, .2, .3, .4}, kW = {2, 2, 1, 3, 1, 1, .5, 1};
}  // namespace

// sklearn.isotonic.IsotonicRegression(increasing=False) 1.9 on the same points.
TEST(IsotonicFit, AgreesWithScikitLearnOnTiedWeightedPoints) {
    const mc::MonotoneFit fit = mc::isotonic_fit(kX, kY, kW);
    expect_near(fit.x, {0, 1, 2, 3, 4, 5, 6}, 0.0);
    expect_near(fit.y, {0.9, 0.86666666666666667, 0.7, 0.3, 0.3, 0.14, 0.14}, 1e-15);
    expect_near(fit.weight, {1, 3, 3, 1, 1, 2, 0.5}, 0.0);
    EXPECT_NEAR(fit.predict(2.5), 0.5, 1e-15);
    EXPECT_EQ(fit.predict(-9.0), 0.9);
    EXPECT_NEAR(fit.predict(INFINITY), 0.14, 1e-15);
}

TEST(IsotonicFit, IncreasingMirrorsDecreasing) {
    Values negative(kY);
    for (double& y : negative) y = -y;
    const mc::MonotoneFit down = mc::isotonic_fit(kX, kY, kW, false), up = mc::isotonic_fit(kX, negative, kW, true);
    ASSERT_EQ(down.y.size(), up.y.size());
    for (std::size_t i = 0; i < up.y.size(); ++i) EXPECT_EQ(up.y[i], -down.y[i]);
}

TEST(IsotonicFit, AWeightOfZeroLeavesThePointOut) {
    const mc::MonotoneFit fit = mc::isotonic_fit(Values{0, 1, 2}, Values{1, 9, 0}, Values{1, 0, 1});
    expect_near(fit.x, {0, 2}, 0.0);
}

TEST(IsotonicFit, ThresholdInvertsTheCurve) {
    const mc::MonotoneFit fit = mc::isotonic_fit(kX, kY, kW);
    EXPECT_NEAR(fit.threshold(0.5).value(), 2.5, 1e-15);
    EXPECT_NEAR(fit.threshold(fit.y[3]).value(), 3.5, 1e-15);  // flat between 3 and 4
    EXPECT_FALSE(fit.threshold(0.9).has_value());
    EXPECT_FALSE(fit.threshold(0.05).has_value());
    EXPECT_NEAR(mc::isotonic_fit(Values{0, 2}, Values{0, 1}, {}, true).threshold(0.25).value(), 0.5, 1e-15);
}

TEST(IsotonicFit, OnePointIsAFlatCurve) {
    const mc::MonotoneFit fit = mc::isotonic_fit(Values{3}, Values{0.4});
    EXPECT_EQ(fit.predict(0.0), 0.4);
    EXPECT_FALSE(fit.threshold(0.4).has_value());
    expect_near(fit.predict_smooth(Values{-1.0, 3.0, 7.0}), {0.4, 0.4, 0.4}, 0.0);
}

TEST(CenteredIsotonicFit, CollapsesFlatStretchesToTheirWeightedCentre) {
    const mc::MonotoneFit fit = mc::centered_isotonic_fit(kX, kY, kW);
    expect_near(fit.x, {0, 1, 2, 3.5, 5.2}, 1e-15);
    expect_near(fit.y, {0.9, 0.86666666666666667, 0.7, 0.3, 0.14}, 1e-15);
    expect_near(fit.weight, {1, 3, 3, 2, 2.5}, 1e-15);
    for (std::size_t i = 1; i < fit.y.size(); ++i) EXPECT_LT(fit.y[i], fit.y[i - 1]);
}

TEST(CenteredIsotonicFit, ConstantDataLeaveOneKnot) {
    const mc::MonotoneFit fit = mc::centered_isotonic_fit(Values{1, 2, 3}, Values{0.5, 0.5, 0.5});
    expect_near(fit.x, {2}, 0.0);
    EXPECT_FALSE(fit.threshold(0.5).has_value());
}

// scipy.interpolate.PchipInterpolator 1.17 through the same knots.
TEST(PredictSmooth, AgreesWithScipy) {
    const mc::MonotoneFit fit{{0, 1, 2.5, 4}, {1, .8, .3, .1}, {1, 1, 1, 1}, false};
    const Values smooth = fit.predict_smooth(Values{.25, .5, 1.5, 2., 3.9, 1.0});
    expect_near(smooth, {0.95965164, 0.91240437, 0.63688958, 0.44463527, 0.10426667, 0.8}, 5e-9);
    expect_near(fit.predict_smooth(Values{-5.0, 9.0}), {1.0, 0.1}, 0.0);
    EXPECT_NAMES(fit.predict_smooth(Values{0.0, NAN}), "x[1] is nan");
}

TEST(IsotonicRegression, MayWriteOverItsInput) {
    Values y = {3, 1, 2, 0};
    mc::isotonic_regression(y, {}, true, y);
    expect_near(y, {1.5, 1.5, 1.5, 1.5}, 1e-15);
    y = {3, 1, 2, 0};
    mc::isotonic_regression(y, Values{1, 1, 3, 1}, false, y);
    expect_near(y, {3, 1.75, 1.75, 0}, 1e-15);
}

namespace {

/// Entries of weight one that count how often they are read.
struct CountedEntries {
    const Values& y;
    mutable std::size_t reads = 0;
    [[nodiscard]] double sum(std::size_t i) const {
        ++reads;
        return y[i];
    }
    [[nodiscard]] double mean(std::size_t i) const { return y[i]; }
    [[nodiscard]] static double weight(std::size_t) { return 1.0; }
};

/// Reads an entry that pooling n values of a pattern takes.
template <class Pattern>
double reads_per_entry(std::size_t n, Pattern pattern) {
    Values y(n);
    for (std::size_t i = 0; i < n; ++i) y[i] = pattern(i, n);
    const CountedEntries entries{y};
    std::vector<mc::detail::Block> blocks;
    mc::detail::pool_entries<true>(entries, 0, n, blocks);
    return static_cast<double>(entries.reads) / static_cast<double>(n);
}

}  // namespace

TEST(IsotonicRegression, ALongBackMergeTakesLinearTime) {
    const auto number = [](std::size_t i) { return static_cast<double>(i); };
    // Every new pair pulls the whole block before it down: pooling that starts again each time needs n² steps.
    const auto back_merging = [&](std::size_t i, std::size_t n) { return i % 2 == 0 ? number(n - i) : -number(i); };
    const auto sorted = [&](std::size_t i, std::size_t) { return number(i); };
    const auto reversed = [&](std::size_t i, std::size_t) { return -number(i); };
    // Ever longer stairs, each block looking ahead in vain before it is pooled into the one before.
    const auto stairs = [&](std::size_t i, std::size_t) { return number(i % 300) - number(i / 300); };
    for (const std::size_t n : {1000U, 30'000U, 1'000'000U}) {
        EXPECT_LE(reads_per_entry(n, back_merging), 6.0) << n;
        EXPECT_LE(reads_per_entry(n, sorted), 6.0) << n;
        EXPECT_LE(reads_per_entry(n, reversed), 6.0) << n;
        EXPECT_LE(reads_per_entry(n, stairs), 6.0) << n;
    }
}

// Beyond one part the blocks of the parts are pooled against each other: the same fit as by one pass.
TEST(IsotonicRegression, LongInputIsPooledInPartsForAnyNumberOfThreads) {
    constexpr std::size_t n = 400'001;
    Values y(n), weights(n);
    for (std::size_t i = 0; i < n; ++i) {
        y[i] = std::sin(0.37 * static_cast<double>(i) * static_cast<double>(i % 1013)) - 1e-5 * static_cast<double>(i);
        weights[i] = 1.0 + static_cast<double>(i % 7);
    }
    std::vector<mc::detail::Block> single, several, whole;
    mc::detail::pava(y, weights, false, single, 1);
    mc::detail::pava(y, weights, false, several, 3);
    ASSERT_EQ(single.size(), several.size());
    for (std::size_t b = 0; b < single.size(); ++b) {
        EXPECT_EQ(single[b].begin, several[b].begin);
        EXPECT_EQ(single[b].mean, several[b].mean);
    }
    struct Weighted {
        const Values& y;
        const Values& w;
        [[nodiscard]] double sum(std::size_t i) const { return y[i] * w[i]; }
        [[nodiscard]] double mean(std::size_t i) const { return y[i]; }
        [[nodiscard]] double weight(std::size_t i) const { return w[i]; }
    };
    mc::detail::pool_entries<false>(Weighted{y, weights}, 0, n, whole);
    ASSERT_EQ(single.size(), whole.size());
    for (std::size_t b = 0; b < single.size(); ++b) EXPECT_NEAR(single[b].mean, whole[b].mean, 1e-12);
}

TEST(MonotoneFit, BadInputIsNamed) {
    EXPECT_NAMES(mc::isotonic_fit({}, {}), "x is empty");
    EXPECT_NAMES(mc::isotonic_fit(Values{1, 2}, Values{1}), "y has 1 entries but x has 2");
    EXPECT_NAMES(mc::isotonic_fit(Values{1, NAN}, Values{1, 1}), "x[1] is nan");
    EXPECT_NAMES(mc::centered_isotonic_fit(Values{1, 2}, Values{1, INFINITY}), "y[1] is inf");
    EXPECT_NAMES(mc::isotonic_fit(Values{1, 2}, Values{1, 1}, Values{1, -1}), "weights[1] is -1");
    EXPECT_NAMES(mc::isotonic_fit(Values{1, 2}, Values{1, 1}, Values{0, 0}), "weights are all zero");
    EXPECT_NAMES(mc::isotonic_fit(Values{1, 2}, Values{1, 0}).predict(NAN), "x is nan");
    EXPECT_NAMES(mc::isotonic_fit(Values{1, 2}, Values{1, 0}).threshold(NAN), "level is nan");
    Values out(2);
    EXPECT_NAMES(mc::isotonic_regression(Values{1, 2}, Values{1, 0}, true, out), "weights[1] is 0");
}

TEST(MonotoneFit, RangesBeyondADoubleAreNamed) {
    const double far = 1.7e308;
    EXPECT_NAMES(mc::isotonic_fit(Values{-far, far}, Values{1, 0}), "x spans inf");
    EXPECT_NAMES(mc::centered_isotonic_fit(Values{0, 1}, Values{far, -far}), "y spans inf");
    EXPECT_NAMES(mc::centered_isotonic_fit(Values{0, 1e139, 1.0}, Values{0.5, 0.5, 0.5}, Values{1, 1e200, 1}), "x times weights");
}

TEST(MonotoneFit, KnotsStayInTheirStretchUnderTheLeastWeights) {
    const double least = std::numeric_limits<double>::denorm_min();
    const Values x = {0.0, 0.6, 0.6001, 0.61}, y = {0.5, 0.6, 0.5, 0.0};
    const mc::MonotoneFit fit = mc::centered_isotonic_fit(x, y, Values(4, least));
    for (std::size_t i = 1; i < fit.x.size(); ++i) EXPECT_LT(fit.x[i - 1], fit.x[i]);
    EXPECT_LE(fit.x.back(), 0.61);
}

TEST(MonotoneFit, SmoothCurvesStayBetweenTheirKnotsHoweverClose) {
    const mc::MonotoneFit fit = mc::isotonic_fit(Values{0.0, 5e-324, 1.0}, Values{1e299, 0.5, 0.0});
    for (const double value : fit.predict_smooth(Values{0.0, 5e-324, 0.25, 0.5, 1.0})) {
        EXPECT_TRUE(value >= 0.0 && value <= 1e299) << value;
    }
}
