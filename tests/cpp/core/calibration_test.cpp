#include <modalconflict/core/calibration.hpp>
#include <modalconflict/core/sequence_uncertainty.hpp>

#include "expect_error.hpp"

#include <cmath>
#include <vector>

namespace mc = modalconflict;
using Values = std::vector<double>;
using Ids = std::vector<std::ptrdiff_t>;

TEST(FitTemperature, MakesTheProbabilityTheShareThatIsRight) {
    // Two tokens a gap of 4 apart, right three times in four: the best temperature makes p = 3/4, so 4/T = log 3.
    const Values logits = {4, 0, 4, 0, 4, 0, 4, 0};
    const mc::Calibration found = mc::fit_temperature(logits, 2, Ids{0, 0, 0, 1});
    EXPECT_NEAR(found.temperature, 4.0 / std::log(3.0), 1e-8);
    EXPECT_NEAR(found.nll_after, -0.75 * std::log(0.75) - 0.25 * std::log(0.25), 1e-12);
    EXPECT_NEAR(found.ece_before, 1.0 / (1.0 + std::exp(-4.0)) - 0.75, 1e-12);
    EXPECT_NEAR(found.ece_after, 0.0, 1e-8);
    EXPECT_EQ(found.rows, 4U);
    const std::vector<float> single(logits.begin(), logits.end());
    EXPECT_NEAR(mc::fit_temperature(single, 2, Ids{0, 0, 0, 1}).temperature, 4.0 / std::log(3.0), 1e-5);
}

TEST(FitTemperature, IsTheSameForAnyNumberOfThreads) {
    Values logits;
    Ids targets;
    for (int i = 0; i < 60; ++i) {
        for (int k = 0; k < 5; ++k) logits.push_back(3.0 * std::sin(1.7 * i + 2.3 * k));
        targets.push_back(i * i % 5);
    }
    EXPECT_EQ(mc::fit_temperature(logits, 5, targets, 15, 1).temperature, mc::fit_temperature(logits, 5, targets, 15, 4).temperature);
}

TEST(FitTemperature, BadInputIsNamed) {
    EXPECT_NAMES(mc::fit_temperature(Values{1, 2}, 2, Ids{2}), "targets[0] is token 2");
    EXPECT_NAMES(mc::fit_temperature(Values{1, NAN}, 2, Ids{0}), "row 0: logits[1] is nan");
    EXPECT_NAMES(mc::fit_temperature(Values{1, -INFINITY}, 2, Ids{1}), "row 0: the target's logit is -inf");
    EXPECT_NAMES(mc::fit_temperature(Values{1, 2}, 2, Ids{}), "targets is empty");
    EXPECT_NAMES(mc::fit_temperature(Values{1, 2}, 2, Ids{0}, 0), "bins is 0");
}

TEST(ExpectedCalibrationError, AveragesGapsByCases) {
    // Bins of a half: (0, .5] holds .5 right once of one; (.5, 1] holds .9 and .7, right once of two.
    EXPECT_NEAR(mc::expected_calibration_error(Values{0.5, 0.9, 0.7}, Values{1, 1, 0}, 2), (0.5 + 0.6) / 3.0, 1e-15);
    EXPECT_EQ(mc::expected_calibration_error(Values{0.0, 1.0}, Values{0, 1}, 4), 0.0);
    EXPECT_NAMES(mc::expected_calibration_error(Values{1.5}, Values{1}), "confidence[0] is 1.5");
    EXPECT_NAMES(mc::expected_calibration_error(Values{0.5}, Values{1, 0}), "correct has 2 entries");
}

TEST(SequenceSurprisal, IsAMeanOrASum) {
    EXPECT_DOUBLE_EQ(mc::sequence_surprisal(Values{-1, -3}), 2.0);
    EXPECT_DOUBLE_EQ(mc::sequence_surprisal(Values{-1, -3}, false), 4.0);
    EXPECT_NAMES(mc::sequence_surprisal(Values{}), "token_log_probs is empty");
    EXPECT_NAMES(mc::sequence_surprisal(Values{-1, 0.5}), "token_log_probs[1] is 0.5");
}

TEST(SemanticEntropy, SumsWordingsOfAClass) {
    const Values log_probs = {std::log(0.25), std::log(0.25), std::log(0.5), -INFINITY};
    EXPECT_NEAR(mc::semantic_entropy(log_probs, std::vector<std::size_t>{7, 7, 2, 9}), std::log(2.0), 1e-15);
    EXPECT_NAMES(mc::semantic_entropy(Values{NAN}, std::vector<std::size_t>{0}), "log_probs[0] is nan");
    EXPECT_NAMES(mc::semantic_entropy(Values{-INFINITY}, std::vector<std::size_t>{0}), "all -inf");
}
