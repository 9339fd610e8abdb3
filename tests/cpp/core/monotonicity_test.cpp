#include <modalconflict/core/monotonicity.hpp>

#include "expect_error.hpp"
#include "simulated_cases.hpp"

#include <cmath>
#include <numeric>
#include <vector>

namespace mc = modalconflict;
using Values = std::vector<double>;

TEST(BinMeans, KeepsEqualXTogether) {
    const mc::BinnedMeans bins = mc::bin_means(Values{3, 1, 1, 2, 1, 4}, Values{1, 0, 0, 1, 1, 0}, 3);
    EXPECT_EQ(bins.count, (Values{3, 1, 2}));
    EXPECT_EQ(bins.centre, (Values{1, 2, 3.5}));
    EXPECT_NEAR(bins.mean[0], 1.0 / 3.0, 1e-15);
    EXPECT_EQ(bins.bin_of, (std::vector<std::size_t>{2, 0, 0, 1, 0, 2}));
    EXPECT_NAMES(mc::bin_means(Values{1, 2}, Values{0, 1}, 1), "bins is 1");
    EXPECT_NAMES(mc::bin_means(Values{1, 1}, Values{0, 1}, 2), "one distinct value");
}

TEST(ViolationTest, SeparatesABumpFromAFall) {
    const SimulatedCases cases = simulate_cases(100, 10, 0.5, 20);
    const mc::ViolationTest fall = mc::violation_test(cases.x, cases.y, cases.groups);
    EXPECT_GT(fall.p_value, 0.05);
    Values bump;
    for (const double x : cases.x) bump.push_back(std::abs(x) < 0.8 ? 1.0 : 0.0);
    EXPECT_LT(mc::violation_test(cases.x, bump, cases.groups).p_value, 0.01);
    mc::MonotonicityOptions rising;
    rising.increasing = true;
    EXPECT_LT(mc::violation_test(cases.x, cases.y, cases.groups, rising).p_value, 0.01);
}

TEST(ViolationTest, WithoutViolationPIsOne) {
    Values x(100), y(100);
    for (std::size_t i = 0; i < 100; ++i) {
        x[i] = static_cast<double>(i);
        y[i] = i < 50 ? 1.0 : 0.0;
    }
    const mc::ViolationTest test = mc::violation_test(x, y, {});
    EXPECT_EQ(test.mass, 0.0);
    EXPECT_EQ(test.p_value, 1.0);
}

TEST(ViolationTest, IsTheSameForAnyNumberOfThreads) {
    const SimulatedCases cases = simulate_cases(40, 10, 1.0, 21, 3.0);
    mc::MonotonicityOptions options;
    options.threads = 1;
    const double one = mc::violation_test(cases.x, cases.y, cases.groups, options).p_value;
    options.threads = 3;
    EXPECT_EQ(mc::violation_test(cases.x, cases.y, cases.groups, options).p_value, one);
}

TEST(TrendTest, LevelProbabilitiesAreThePublishedOnes) {
    // Equal weights, four bins: 6/24, 11/24, 6/24, 1/24 (Robertson, Wright & Dykstra 1988, table A.10).
    Values x, y;
    for (int i = 0; i < 400; ++i) {
        x.push_back(i / 100);
        y.push_back(i * 7 % 3 == 0 ? 1.0 : 0.0);
    }
    mc::MonotonicityOptions options;
    options.bins = 4;
    options.replicates = 40000;
    const mc::TrendTest test = mc::trend_test(x, y, {}, options);
    const double expected[] = {6.0 / 24, 11.0 / 24, 6.0 / 24, 1.0 / 24};
    for (std::size_t l = 0; l < 4; ++l) EXPECT_NEAR(test.level_probabilities[l], expected[l], 0.01);
    EXPECT_NEAR(std::accumulate(test.level_probabilities.begin(), test.level_probabilities.end(), 0.0), 1.0, 1e-12);
}

TEST(TrendTest, AFallIsNoFlatCurve) {
    const SimulatedCases cases = simulate_cases(50, 10, 0.5, 22);
    const mc::TrendTest test = mc::trend_test(cases.x, cases.y, cases.groups);
    EXPECT_LT(test.p_value, 1e-6);
    EXPECT_GE(test.dispersion, 1.0);
}

TEST(SufficiencyTest, FindsATotalThatMatters) {
    SimulatedCases cases = simulate_cases(200, 10, 0.0, 23);
    Values total;
    modalconflict::CounterRng rng(5, 0);
    for (std::size_t i = 0; i < cases.x.size(); ++i) total.push_back(0.2 + 3.0 * rng.uniform());
    EXPECT_GT(mc::sufficiency_test(cases.x, cases.y, total, cases.groups).p_value, 0.001);
    for (std::size_t i = 0; i < cases.x.size(); ++i) {
        cases.y[i] = rng.uniform() < 1.0 / (1.0 + std::exp(2.0 * cases.x[i] - 1.5 * std::log(total[i]))) ? 1.0 : 0.0;
    }
    const mc::SufficiencyTest found = mc::sufficiency_test(cases.x, cases.y, total, cases.groups);
    EXPECT_LT(found.p_value, 1e-6);
    EXPECT_NEAR(found.coefficient, 1.5, 4.0 * found.error);
    EXPECT_EQ(found.clusters, 200U);
    total[3] = 0.0;
    EXPECT_NAMES(mc::sufficiency_test(cases.x, cases.y, total, {}), "total[3] is 0");
}

TEST(Spearman, AveragesTiedRanks) {
    EXPECT_NEAR(mc::spearman(Values{1, 2, 2, 3}, Values{10, 20, 30, 40}), 0.9486832980505138, 1e-15);  // scipy.stats.spearmanr
    EXPECT_TRUE(std::isnan(mc::spearman(Values{1, 1}, Values{1, 2})));
    EXPECT_NAMES(mc::spearman(Values{1, 2}, Values{1}), "y has 1 entries");
}

TEST(ChiSquareSurvival, AgreesWithScipy) {
    EXPECT_NEAR(mc::chi_square_survival(3.841458820694124, 1), 0.05, 1e-14);
    EXPECT_NEAR(mc::chi_square_survival(5.991464547107979, 2), 0.05, 1e-14);
    EXPECT_NEAR(mc::chi_square_survival(11.070497693516351, 5), 0.05, 1e-14);
    EXPECT_NEAR(mc::chi_square_survival(18.307038053275146, 10), 0.05, 1e-14);
    EXPECT_EQ(mc::chi_square_survival(-1.0, 3), 1.0);
    EXPECT_NAMES(mc::chi_square_survival(1.0, 0), "degrees is 0");
}
