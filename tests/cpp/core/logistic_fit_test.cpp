#include <modalconflict/core/logistic_fit.hpp>

#include "expect_error.hpp"

#include <cmath>
#include <numeric>
#include <vector>

namespace mc = modalconflict;
using Values = std::vector<double>;

namespace {

const Values kX = {-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5};

Values share(Values successes) {
    for (double& k : successes) k /= 20.0;
    return successes;
}
const Values kTrials(7, 20.0);

mc::LogisticOptions without_lapses() {
    mc::LogisticOptions options;
    options.lower_lapse = options.upper_lapse = 0.0;
    return options;
}

}  // namespace

// statsmodels.api.GLM(family=Binomial()) 0.15 on the same counts.
TEST(LogisticFit, WithoutLapsesAgreesWithStatsmodels) {
    const Values y = share({19, 18, 14, 9, 5, 3, 1});
    const mc::LogisticFit fit = mc::logistic_fit(kX, y, kTrials, without_lapses());
    EXPECT_TRUE(fit.converged);
    EXPECT_NEAR(fit.intercept, -0.05200012, 1e-7);
    EXPECT_NEAR(fit.slope, -1.95244081, 1e-7);
    EXPECT_NEAR(fit.log_likelihood, -60.375627205785946, 1e-9);
    EXPECT_NEAR(fit.covariance[0], 0.05204314, 1e-7);
    EXPECT_NEAR(fit.covariance[1], 0.00194229, 1e-7);
    EXPECT_NEAR(fit.covariance[5], 0.09367891, 1e-6);
    EXPECT_NEAR(fit.location, fit.threshold(0.5).value(), 1e-14);
    EXPECT_NEAR(fit.width, 1.0 / 1.95244081, 1e-7);
}

// scipy.optimize.minimize(method="L-BFGS-B") over the same likelihood.
TEST(LogisticFit, FreeLapsesReachScipysOptimum) {
    const mc::LogisticFit fit = mc::logistic_fit(kX, share({18, 18, 17, 10, 4, 2, 2}), kTrials);
    EXPECT_TRUE(fit.converged);
    EXPECT_NEAR(fit.log_likelihood, -58.39634814756566, 1e-8);
    EXPECT_NEAR(fit.intercept, 0.07862202, 1e-4);
    EXPECT_NEAR(fit.slope, -4.46883665, 1e-3);
    EXPECT_NEAR(fit.lower_lapse, 0.09840314, 1e-5);
    EXPECT_NEAR(fit.upper_lapse, 0.09228987, 1e-5);
}

TEST(LogisticFit, TheThresholdIsWherePIsOneHalfNotTheLocation) {
    mc::LogisticOptions options;
    options.lower_lapse = 0.2;
    options.upper_lapse = 0.0;
    const mc::LogisticFit fit = mc::logistic_fit(kX, share({20, 19, 17, 12, 6, 4, 4}), kTrials, options);
    const double at = fit.threshold(0.5).value();
    EXPECT_NEAR(fit.predict(at), 0.5, 1e-12);
    EXPECT_GT(at, fit.location + 0.01);
    EXPECT_FALSE(fit.threshold(0.1).has_value());
    EXPECT_EQ(fit.lower_lapse, 0.2);
}

TEST(LogisticFit, TheWrongDirectionGivesAFlatCurve) {
    const Values rising = share({1, 3, 5, 9, 14, 18, 19});
    const mc::LogisticFit fit = mc::logistic_fit(kX, rising, kTrials, without_lapses());
    EXPECT_EQ(fit.slope, 0.0);
    EXPECT_TRUE(std::isinf(fit.width));
    EXPECT_NEAR(fit.predict(0.3), 69.0 / 140.0, 1e-9);
    EXPECT_FALSE(fit.threshold(0.5).has_value());
    mc::LogisticOptions options = without_lapses();
    options.increasing = true;
    EXPECT_NEAR(mc::logistic_fit(kX, rising, kTrials, options).slope, 1.95244081, 1e-7);
}

TEST(LogisticFit, UnitsOfXDoNotMatter) {
    const Values y = share({18, 18, 17, 10, 4, 2, 2});
    Values scaled(kX);
    for (double& x : scaled) x = 1e6 + 1e3 * x;
    const double plain = mc::logistic_fit(kX, y, kTrials).threshold(0.5).value();
    EXPECT_NEAR(mc::logistic_fit(scaled, y, kTrials).threshold(0.5).value(), 1e6 + 1e3 * plain, 1e-3);
}

TEST(LogisticFit, WeightsAreRepetitions) {
    const Values once = {-1, -0.5, 0, 0.5, 1}, y = {1, 1, 0, 1, 0}, weights = {2, 1, 3, 1, 2};
    Values x, repeated;
    for (std::size_t i = 0; i < once.size(); ++i) {
        for (int copy = 0; copy < static_cast<int>(weights[i]); ++copy) {
            x.push_back(once[i]);
            repeated.push_back(y[i]);
        }
    }
    const mc::LogisticFit a = mc::logistic_fit(once, y, weights, without_lapses());
    const mc::LogisticFit b = mc::logistic_fit(x, repeated, {}, without_lapses());
    EXPECT_NEAR(a.intercept, b.intercept, 1e-9);
    EXPECT_NEAR(a.slope, b.slope, 1e-9);
}

TEST(LogisticFit, SeparatedAnswersAreFlaggedAndCrossInTheGap) {
    const mc::LogisticFit fit = mc::logistic_fit(Values{-2, -1, 1, 2}, Values{1, 1, 0, 0});
    EXPECT_TRUE(fit.separated);
    EXPECT_NEAR(fit.threshold(0.5).value(), 0.0, 1e-6);
}

TEST(LogisticFit, OneAnswerThroughoutIsAFlatCeiling) {
    const mc::LogisticFit fit = mc::logistic_fit(Values{0, 1, 2}, Values{1, 1, 1});
    EXPECT_EQ(fit.predict(1.0), 1.0);
    EXPECT_EQ(mc::logistic_fit(Values{0, 1, 2}, Values{0, 0, 0}).predict(1.0), 0.0);
    EXPECT_FALSE(fit.threshold(0.5).has_value());
}

TEST(LogisticFit, SingletonGroupsGiveTheRobustCovarianceOfStatsmodels) {
    const Values x = {-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 0.25}, y = {1, 1, 0, 1, 0, 1, 0, 0};
    std::vector<std::size_t> groups(8);
    std::iota(groups.begin(), groups.end(), std::size_t{0});
    const mc::LogisticFit fit = mc::logistic_fit(x, y, {}, without_lapses(), groups);
    // statsmodels Logit.fit(cov_type="HC0"), times G / (G − 1) = 8/7.
    EXPECT_NEAR(fit.covariance[0], 0.69643704, 1e-6);
    EXPECT_NEAR(fit.covariance[5], 0.74340431, 1e-6);
}

TEST(LogisticFit, BadInputIsNamed) {
    EXPECT_NAMES(mc::logistic_fit({}, {}), "x is empty");
    EXPECT_NAMES(mc::logistic_fit(Values{1, 1}, Values{1, 0}), "x has one distinct value");
    EXPECT_NAMES(mc::logistic_fit(Values{1, 2}, Values{1, 2}), "y[1] is 2");
    EXPECT_NAMES(mc::logistic_fit(Values{1, 2}, Values{1}), "y has 1 entries");
    EXPECT_NAMES(mc::logistic_fit(Values{1, NAN}, Values{1, 0}), "x[1] is nan");
    EXPECT_NAMES(mc::logistic_fit(Values{1, 2}, Values{1, 0}, Values{-1, 1}), "weights[0] is -1");
    mc::LogisticOptions options;
    options.max_lapse = 0.5;
    EXPECT_NAMES(mc::logistic_fit(Values{1, 2}, Values{1, 0}, {}, options), "max_lapse is 0.5");
    options = {};
    options.lower_lapse = -0.1;
    EXPECT_NAMES(mc::logistic_fit(Values{1, 2}, Values{1, 0}, {}, options), "lower_lapse is -0.1");
    options = {};
    options.max_iterations = 0;
    EXPECT_NAMES(mc::logistic_fit(Values{1, 2}, Values{1, 0}, {}, options), "max_iterations is 0");
    EXPECT_NAMES(mc::logistic_fit(Values{1, 2}, Values{1, 0}).predict(NAN), "x is nan");
}

TEST(BetaBinomialFit, BinomialCountsShowNoOverdispersion) {
    const Values successes = {19, 18, 14, 9, 5, 3, 1};
    const mc::BetaBinomialFit fit = mc::beta_binomial_fit(kX, successes, kTrials, without_lapses());
    const mc::LogisticFit plain = mc::logistic_fit(kX, share(successes), kTrials, without_lapses());
    EXPECT_EQ(fit.overdispersion, 0.0);
    EXPECT_EQ(fit.p_value, 1.0);
    EXPECT_NEAR(fit.curve.slope, plain.slope, 1e-6);
    EXPECT_NEAR(fit.curve.log_likelihood, plain.log_likelihood, 1e-9);
}

TEST(BetaBinomialFit, ScatteredBlocksShowIt) {
    const mc::BetaBinomialFit fit =
        mc::beta_binomial_fit(kX, Values{20, 12, 19, 4, 11, 0, 5}, kTrials, without_lapses());
    EXPECT_GT(fit.overdispersion, 0.05);
    EXPECT_LT(fit.p_value, 1e-4);
    EXPECT_GT(fit.likelihood_ratio, 10.0);
}

TEST(BetaBinomialFit, BadInputIsNamed) {
    EXPECT_NAMES(mc::beta_binomial_fit(Values{0, 1}, Values{1, 0}, Values{1, 1}), "trials are all one");
    EXPECT_NAMES(mc::beta_binomial_fit(Values{0, 1}, Values{3, 0}, Values{2, 2}), "successes[0] is 3");
    EXPECT_NAMES(mc::beta_binomial_fit(Values{0, 1}, Values{1, 0}, Values{2, 0}), "trials[1] is 0");
    EXPECT_NAMES(mc::beta_binomial_fit(Values{0, 1}, Values{0.5, 0}, Values{2, 2}), "successes[0] is 0.5");
}
