#include <modalconflict/core/balance_point.hpp>
#include <modalconflict/core/monotone_fit.hpp>

#include "expect_error.hpp"
#include "simulated_cases.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace mc = modalconflict;
using mc::BalanceMethod;
using mc::BalanceStatus;
using Values = std::vector<double>;

namespace {

mc::BalanceOptions options_for(BalanceMethod method) {
    mc::BalanceOptions options;
    options.method = method;
    options.replicates = 200;
    return options;
}

bool has_flag(const mc::BalancePoint& point, const std::string& flag) {
    return std::find(point.flags.begin(), point.flags.end(), flag) != point.flags.end();
}

class BothMethods : public ::testing::TestWithParam<BalanceMethod> {};

}  // namespace

INSTANTIATE_TEST_SUITE_P(BalancePoint, BothMethods, ::testing::Values(BalanceMethod::cir, BalanceMethod::logistic),
                         [](const auto& tested) { return std::string(mc::to_string(tested.param)); });

TEST_P(BothMethods, FindsAKnownCrossing) {
    const SimulatedCases cases = simulate_cases(200, 20, 0.0, 5);
    const mc::BalancePoint point = mc::balance_point(cases.x, cases.y, {}, options_for(GetParam()));
    EXPECT_EQ(point.status, BalanceStatus::crossing);
    EXPECT_NEAR(point.estimate, -0.3, 0.15);
    EXPECT_LT(point.low, point.estimate);
    EXPECT_GT(point.high, point.estimate);
    EXPECT_EQ(point.observations, 4000U);
    EXPECT_EQ(point.groups, 0U);
    EXPECT_EQ(point.method, GetParam());
}

TEST_P(BothMethods, OneSidedAnswersHaveAStatusAndNoNumber) {
    for (const auto& [answer, status] : {std::pair{1.0, BalanceStatus::always_text}, {0.0, BalanceStatus::always_vision}}) {
        const mc::BalancePoint point =
            mc::balance_point(Values{-1, 0, 1}, Values{answer, answer, answer}, {}, options_for(GetParam()));
        EXPECT_EQ(point.status, status);
        EXPECT_TRUE(std::isnan(point.estimate) && std::isnan(point.low) && std::isnan(point.high));
        EXPECT_TRUE(has_flag(point, "one_answer"));
    }
}

TEST_P(BothMethods, ACurveThatStaysAboveOneHalfNeverCrosses) {
    SimulatedCases cases = simulate_cases(100, 10, 0.0, 6, 4.0);
    const mc::BalancePoint point = mc::balance_point(cases.x, cases.y, {}, options_for(GetParam()));
    EXPECT_EQ(point.status, BalanceStatus::always_text);
    EXPECT_TRUE(std::isnan(point.estimate));
    for (double& y : cases.y) y = 1.0 - y;
    EXPECT_EQ(mc::balance_point(cases.x, cases.y, {}, options_for(GetParam())).status, BalanceStatus::always_vision);
}

TEST_P(BothMethods, RisingAnswersAreAFlatFit) {
    SimulatedCases cases = simulate_cases(100, 10, 0.0, 7, 0.5);
    for (double& x : cases.x) x = -x;
    const mc::BalancePoint point = mc::balance_point(cases.x, cases.y, {}, options_for(GetParam()));
    EXPECT_TRUE(has_flag(point, "flat_fit"));
    EXPECT_TRUE(std::isnan(point.estimate));
}

TEST_P(BothMethods, AHigherLevelGivesAWiderInterval) {
    const SimulatedCases cases = simulate_cases(100, 10, 0.0, 8);
    mc::BalanceOptions options = options_for(GetParam());
    options.level = 0.5;
    const mc::BalancePoint half = mc::balance_point(cases.x, cases.y, {}, options);
    options.level = 0.99;
    const mc::BalancePoint nearly_all = mc::balance_point(cases.x, cases.y, {}, options);
    EXPECT_LT(nearly_all.low, half.low);
    EXPECT_GT(nearly_all.high, half.high);
    EXPECT_EQ(half.estimate, nearly_all.estimate);
}

TEST_P(BothMethods, TheOrderOfTheCasesDoesNotMatter) {
    SimulatedCases cases = simulate_cases(50, 10, 0.5, 9);
    const mc::BalancePoint before = mc::balance_point(cases.x, cases.y, cases.groups, options_for(GetParam()));
    std::reverse(cases.x.begin(), cases.x.end());
    std::reverse(cases.y.begin(), cases.y.end());
    std::reverse(cases.groups.begin(), cases.groups.end());
    const mc::BalancePoint after = mc::balance_point(cases.x, cases.y, cases.groups, options_for(GetParam()));
    EXPECT_NEAR(before.estimate, after.estimate, 1e-7);
    EXPECT_NEAR(before.low, after.low, 1e-7);
    EXPECT_EQ(before.groups, 50U);
}

TEST_P(BothMethods, BadInputIsNamed) {
    const mc::BalanceOptions options = options_for(GetParam());
    const auto run = [&](const Values& x, const Values& y, const std::vector<std::size_t>& groups = {}) {
        return mc::balance_point(x, y, groups, options);
    };
    EXPECT_NAMES(run({}, {}), "delta_u_rel is empty");
    EXPECT_NAMES(run({1}, {1}), "delta_u_rel has one entry");
    EXPECT_NAMES(run({1, 1}, {1, 0}), "one distinct value");
    EXPECT_NAMES(run({1, 2}, {1}), "follow_text has 1 entries");
    EXPECT_NAMES(run({1, NAN}, {1, 0}), "delta_u_rel[1] is nan");
    EXPECT_NAMES(run({1, 2}, {1, -0.5}), "follow_text[1] is -0.5");
    EXPECT_NAMES(run({1, 2}, {1, 0}, {0}), "groups has 1 entries");
    EXPECT_NAMES(run({1, 2}, {1, 0}, {4, 4}), "one group only");
    mc::BalanceOptions wrong = options;
    wrong.level = 1.0;
    EXPECT_NAMES(mc::balance_point(Values{1, 2}, Values{1, 0}, {}, wrong), "level is 1");
}

TEST(BalancePoint, NamesOfStatusesAndMethods) {
    EXPECT_EQ(mc::to_string(BalanceStatus::crossing), "crossing");
    EXPECT_EQ(mc::to_string(BalanceStatus::one_sided), "one_sided");
    EXPECT_EQ(mc::to_string(BalanceStatus::unbounded), "unbounded");
    EXPECT_EQ(mc::to_string(BalanceStatus::always_text), "always_text");
    EXPECT_EQ(mc::to_string(BalanceStatus::always_vision), "always_vision");
    for (const auto method : {BalanceMethod::cir, BalanceMethod::logistic}) {
        EXPECT_EQ(mc::balance_method_from_string(mc::to_string(method)), method);
    }
    EXPECT_NAMES(mc::balance_method_from_string("spline"), "use cir or logistic");
}

TEST(BalancePoint, FewCasesGiveAOneSidedInterval) {
    // A clear start and an unclear end: nothing bounds the crossing on the right.
    const Values x = {-3, -2.8, -2.6, -2.4, -2.2, -2, -1.8, 1}, y = {1, 1, 1, 1, 1, 1, 1, 0};
    const mc::BalancePoint point = mc::balance_point(x, y, {}, options_for(BalanceMethod::cir));
    EXPECT_EQ(point.status, BalanceStatus::one_sided);
    EXPECT_TRUE(std::isfinite(point.low));
    EXPECT_EQ(point.high, INFINITY);
}

TEST(BalancePoint, ExactlyOneHalfEverywhereIsUnbounded) {
    const Values x = {0, 0, 1, 1, 2, 2}, y = {1, 0, 0, 1, 1, 0};
    for (const auto method : {BalanceMethod::cir, BalanceMethod::logistic}) {
        const mc::BalancePoint point = mc::balance_point(x, y, {}, options_for(method));
        EXPECT_EQ(point.status, BalanceStatus::unbounded);
        EXPECT_TRUE(std::isnan(point.estimate));
        EXPECT_TRUE(has_flag(point, "flat_fit"));
    }
}

TEST(BalancePoint, CirIsTheInverseOfTheCentredFit) {
    const SimulatedCases cases = simulate_cases(60, 10, 0.0, 10);
    const mc::BalancePoint point = mc::balance_point(cases.x, cases.y);
    EXPECT_EQ(point.estimate, mc::centered_isotonic_fit(cases.x, cases.y).threshold(0.5).value());
}

TEST(BalancePoint, CirWithGroupsSaysSoAndWidens) {
    const SimulatedCases cases = simulate_cases(100, 40, 1.5, 11);
    mc::BalanceOptions options = options_for(BalanceMethod::cir);
    const mc::BalancePoint corrected = mc::balance_point(cases.x, cases.y, cases.groups, options);
    EXPECT_TRUE(has_flag(corrected, "assumes_independence"));
    EXPECT_TRUE(has_flag(corrected, "cluster_corrected"));
    EXPECT_GT(corrected.dispersion, 1.0);
    options.cluster_correction = false;
    const mc::BalancePoint plain = mc::balance_point(cases.x, cases.y, cases.groups, options);
    EXPECT_FALSE(has_flag(plain, "cluster_corrected"));
    EXPECT_EQ(plain.dispersion, 1.0);
    EXPECT_LE(corrected.low, plain.low);
    EXPECT_GE(corrected.high, plain.high);
}

TEST(BalancePoint, BootstrapIsBitwiseTheSameForAnyNumberOfThreads) {
    const SimulatedCases cases = simulate_cases(40, 15, 0.8, 12);
    mc::BalanceOptions options = options_for(BalanceMethod::logistic);
    options.threads = 1;
    const mc::BalancePoint one = mc::balance_point(cases.x, cases.y, cases.groups, options);
    for (const unsigned threads : {2U, 5U}) {
        options.threads = threads;
        const mc::BalancePoint many = mc::balance_point(cases.x, cases.y, cases.groups, options);
        EXPECT_EQ(one.replicate_estimates, many.replicate_estimates);
        EXPECT_EQ(one.low, many.low);
        EXPECT_EQ(one.high, many.high);
    }
    options.seed = 1;
    EXPECT_NE(mc::balance_point(cases.x, cases.y, cases.groups, options).replicate_estimates, one.replicate_estimates);
}

TEST(BalancePoint, WholeGroupsWidenTheInterval) {
    const SimulatedCases cases = simulate_cases(60, 30, 1.5, 13);
    const mc::BalanceOptions options = options_for(BalanceMethod::logistic);
    const mc::BalancePoint grouped = mc::balance_point(cases.x, cases.y, cases.groups, options);
    const mc::BalancePoint single = mc::balance_point(cases.x, cases.y, {}, options);
    EXPECT_GT(grouped.high - grouped.low, 1.3 * (single.high - single.low));
    EXPECT_EQ(grouped.estimate, single.estimate);
}

TEST(BalancePoint, ThreeIntervalsOfTheLogisticMethodAgreeOnLargeSamples) {
    const SimulatedCases cases = simulate_cases(300, 20, 0.5, 14);
    mc::BalanceOptions options = options_for(BalanceMethod::logistic);
    options.replicates = 2000;
    const mc::BalancePoint percentile = mc::balance_point(cases.x, cases.y, cases.groups, options);
    options.interval = mc::IntervalKind::bca;
    const mc::BalancePoint bca = mc::balance_point(cases.x, cases.y, cases.groups, options);
    options.interval = mc::IntervalKind::fieller;
    const mc::BalancePoint fieller = mc::balance_point(cases.x, cases.y, cases.groups, options);
    const double width = percentile.high - percentile.low;
    for (const auto& other : {bca, fieller}) {
        EXPECT_NEAR(other.low, percentile.low, 0.15 * width);
        EXPECT_NEAR(other.high, percentile.high, 0.15 * width);
    }
    EXPECT_EQ(fieller.replicates, 0U);
}

TEST(BalancePoint, AWeakSlopeMakesFiellersSetUnbounded) {
    const Values x = {0, 1, 2, 3, 4, 5}, y = {1, 0, 1, 0, 1, 0};
    mc::BalanceOptions options = options_for(BalanceMethod::logistic);
    options.interval = mc::IntervalKind::fieller;
    options.logistic.lower_lapse = options.logistic.upper_lapse = 0.0;
    const mc::BalancePoint point = mc::balance_point(x, y, {}, options);
    EXPECT_EQ(point.status, BalanceStatus::unbounded);
    EXPECT_EQ(point.low, -INFINITY);
    EXPECT_EQ(point.high, INFINITY);
    EXPECT_TRUE(std::isfinite(point.estimate));
}

TEST(BalancePoint, TooFewReplicatesAreRefused) {
    mc::BalanceOptions options = options_for(BalanceMethod::logistic);
    options.replicates = 10;
    EXPECT_NAMES(mc::balance_point(Values{1, 2, 3}, Values{1, 0, 0}, {}, options), "replicates is 10");
}

TEST(BalancePoint, SoftOutcomesAreFlaggedAndNarrower) {
    const SimulatedCases cases = simulate_cases(100, 20, 0.0, 15);
    Values soft(cases.x.size());
    for (std::size_t i = 0; i < soft.size(); ++i) soft[i] = 0.5 * cases.y[i] + 0.5 / (1.0 + std::exp((cases.x[i] + 0.3) / 0.4));
    for (const auto method : {BalanceMethod::cir, BalanceMethod::logistic}) {
        const mc::BalancePoint hard = mc::balance_point(cases.x, cases.y, {}, options_for(method));
        const mc::BalancePoint point = mc::balance_point(cases.x, soft, {}, options_for(method));
        EXPECT_TRUE(has_flag(point, "soft_outcomes"));
        EXPECT_LT(point.high - point.low, hard.high - hard.low);
    }
}

TEST(CrossingLikelihoodRatio, EqualsTheTwoFitsDoneDirectly) {
    const SimulatedCases cases = simulate_cases(12, 5, 0.0, 16);
    const mc::LikelihoodRatioProfile profile = mc::crossing_likelihood_ratio(cases.x, cases.y);
    const auto log_likelihood = [](const Values& p, const Values& y) {
        double sum = 0.0;
        for (std::size_t i = 0; i < p.size(); ++i) {
            if (y[i] > 0.0) sum += std::log(p[i]);
            if (y[i] < 1.0) sum += std::log1p(-p[i]);
        }
        return sum;
    };
    std::vector<std::size_t> order(cases.x.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](auto a, auto b) { return cases.x[a] < cases.x[b]; });
    Values y;
    for (const std::size_t i : order) y.push_back(cases.y[i]);
    Values free(y.size());
    mc::isotonic_regression(y, {}, false, free);
    ASSERT_EQ(profile.statistic.size(), y.size() + 1);
    for (std::size_t gap = 0; gap <= y.size(); ++gap) {
        Values constrained(y);
        const std::span<double> all(constrained);
        if (gap > 0) mc::isotonic_regression(all.first(gap), {}, false, all.first(gap));
        if (gap < y.size()) mc::isotonic_regression(all.subspan(gap), {}, false, all.subspan(gap));
        for (std::size_t i = 0; i < y.size(); ++i) {
            constrained[i] = i < gap ? std::max(constrained[i], 0.5) : std::min(constrained[i], 0.5);
        }
        const double expected = 2.0 * (log_likelihood(free, y) - log_likelihood(constrained, y));
        EXPECT_NEAR(profile.statistic[gap], expected, 1e-10) << "gap " << gap;
    }
    EXPECT_NAMES(mc::crossing_likelihood_ratio(Values{1, 2}, Values{1, 0}, 0.0), "probability is 0");
}

// Banerjee & Wellner (2001), table 2, give 2.26916 for 95 %; later and larger simulations 2.2869.
TEST(LikelihoodRatioQuantile, IsNearThePublishedValueAndRises) {
    EXPECT_NEAR(mc::likelihood_ratio_quantile(0.95), 2.278, 0.015);
    double previous = 0.0;
    for (double level = 0.05; level < 0.999; level += 0.013) {
        const double value = mc::likelihood_ratio_quantile(level);
        EXPECT_GT(value, previous);
        previous = value;
    }
    EXPECT_NAMES(mc::likelihood_ratio_quantile(0.9999), "level is 0.9999");
    EXPECT_NAMES(mc::likelihood_ratio_quantile(NAN), "level is nan");
}
