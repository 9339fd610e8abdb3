#include <modalconflict/core/balance_point.hpp>
#include <modalconflict/core/decomposition.hpp>
#include <modalconflict/core/isotonic_band.hpp>
#include <modalconflict/core/isotonic_surface.hpp>
#include <modalconflict/core/monotone_fit.hpp>
#include <modalconflict/core/oscillation.hpp>

#include "expect_error.hpp"
#include "simulated_cases.hpp"

#include <cmath>
#include <numeric>
#include <vector>

namespace mc = modalconflict;
using Values = std::vector<double>;

namespace {
mc::BalanceCases view(const SimulatedCases& cases) { return {cases.x, cases.y, cases.groups}; }

mc::BalancePoint point_at(double estimate, double low, double high) {
    mc::BalancePoint point;
    point.status = std::isnan(estimate) ? mc::BalanceStatus::always_text : mc::BalanceStatus::crossing;
    point.estimate = estimate;
    point.low = low;
    point.high = high;
    return point;
}
}  // namespace

TEST(BalancePointsDisagree, OnlyBeyondBothIntervals) {
    EXPECT_FALSE(mc::balance_points_disagree(point_at(0, -1, 1), point_at(0.5, 0.2, 0.8)));
    EXPECT_TRUE(mc::balance_points_disagree(point_at(0, -0.1, 0.1), point_at(0.5, 0.2, 0.8)));
    EXPECT_TRUE(mc::balance_points_disagree(point_at(0, -1, 1), point_at(NAN, NAN, NAN)));
    EXPECT_FALSE(mc::balance_points_disagree(point_at(NAN, NAN, NAN), point_at(NAN, NAN, NAN)));
}

TEST(BalancePointDifference, FindsAShiftBetweenModels) {
    const SimulatedCases first = simulate_cases(80, 20, 0.5, 30, -0.6), second = simulate_cases(80, 20, 0.5, 31, 0.2);
    mc::BalanceOptions options;
    options.replicates = 300;
    options.threads = 1;
    const mc::BalanceDifference found = mc::balance_point_difference(view(first), view(second), options);
    EXPECT_LT(found.low, -0.8);
    EXPECT_GT(found.high, -0.8);
    EXPECT_LT(found.p_value, 0.05);
    EXPECT_EQ(found.groups, 80U);
    EXPECT_NEAR(found.estimate, found.first.estimate - found.second.estimate, 1e-15);
    options.threads = 4;
    EXPECT_EQ(mc::balance_point_difference(view(first), view(second), options).low, found.low);
}

TEST(BalancePointDifference, AModelAgainstItselfIsZero) {
    const SimulatedCases cases = simulate_cases(40, 10, 0.5, 32);
    mc::BalanceOptions options;
    options.replicates = 100;
    const mc::BalanceDifference found = mc::balance_point_difference(view(cases), view(cases), options);
    EXPECT_EQ(found.estimate, 0.0);
    EXPECT_EQ(found.low, 0.0);
    EXPECT_EQ(found.p_value, 1.0);
}

TEST(BalancePointDifference, NeedsSharedGroups) {
    const SimulatedCases cases = simulate_cases(20, 10, 0.5, 33);
    SimulatedCases other = cases;
    for (std::size_t& group : other.groups) group += 100000;
    EXPECT_NAMES(mc::balance_point_difference(view(cases), view(other)), "no group in common");
    EXPECT_NAMES(mc::balance_point_difference(view(cases), {cases.x, cases.y, {}}), "groups are needed");
}

TEST(DecomposeFollowing, PartsAddUpAndNameTheirCause) {
    const SimulatedCases first = simulate_cases(50, 20, 0.3, 34, -0.6), second = simulate_cases(50, 20, 0.3, 35, 0.4);
    const mc::Decomposition found =
        mc::decompose_following({first.x, first.y, first.groups}, {second.x, second.y, second.groups}, 0.95, 200);
    const auto rate = [](const Values& y) { return std::accumulate(y.begin(), y.end(), 0.0) / static_cast<double>(y.size()); };
    EXPECT_NEAR(found.total.estimate, rate(first.y) - rate(second.y), 1e-12);
    EXPECT_NEAR(found.distribution.estimate + found.curve.estimate, found.total.estimate, 1e-12);
    EXPECT_LT(std::abs(found.distribution.estimate), 0.05);
    EXPECT_LT(found.curve.high, 0.0);
    EXPECT_LT(found.curve.low, found.curve.estimate);
    EXPECT_NAMES(mc::decompose_following({first.x, first.y, {}}, {second.x, second.y, second.groups}), "one model only");
    EXPECT_NAMES(mc::decompose_following({{}, {}, {}}, {second.x, second.y, {}}), "x of the first model is empty");
}

TEST(IsotonicBand, HoldsItsFitAndRepeatsOnAnyThreads) {
    const SimulatedCases cases = simulate_cases(50, 10, 0.5, 36);
    const Values at = {-1.5, -0.5, 0.0, 0.5, 1.5};
    const mc::IsotonicBand band = mc::isotonic_band(cases.x, cases.y, cases.groups, at, false, 0.95, 300, 0, 1);
    const mc::MonotoneFit fit = mc::isotonic_fit(cases.x, cases.y);
    for (std::size_t i = 0; i < at.size(); ++i) {
        EXPECT_NEAR(band.fit[i], fit.predict(at[i]), 1e-12);
        EXPECT_LE(band.low[i], band.fit[i] + 0.05);
        EXPECT_GE(band.high[i], band.fit[i] - 0.05);
        EXPECT_LT(band.low[i], band.high[i] + 1e-15);
    }
    EXPECT_EQ(mc::isotonic_band(cases.x, cases.y, cases.groups, at, false, 0.95, 300, 0, 3).low, band.low);
    EXPECT_NAMES(mc::isotonic_band(cases.x, cases.y, {}, Values{1, 0}), "at[1] is 0");
    EXPECT_NAMES(mc::isotonic_band(cases.x, cases.y, {}, Values{}), "at is empty");
}

TEST(IsotonicSurface, OneLineIsIsotonicRegression) {
    const Values y = {1, 3, 2, 4, 3.5}, weights = {1, 2, 1, 1, 3};
    Values expected(5);
    mc::isotonic_regression(y, weights, true, expected);
    const Values along = mc::isotonic_surface(y, weights, 1, 5, false, true), down = mc::isotonic_surface(y, weights, 5, 1, true, false);
    for (std::size_t i = 0; i < 5; ++i) {
        EXPECT_NEAR(along[i], expected[i], 1e-10);
        EXPECT_NEAR(down[i], expected[i], 1e-10);
    }
}

TEST(IsotonicSurface, ASurfaceThatIsMonotoneStays) {
    const Values surface = {3, 4, 5, 2, 3, 4};
    EXPECT_EQ(mc::isotonic_surface(surface, Values(6, 1.0), 2, 3, false, true), surface);
    EXPECT_NAMES(mc::isotonic_surface(surface, Values(6, 0.0), 2, 3, false, true), "all zero");
    EXPECT_NAMES(mc::isotonic_surface(surface, Values(6, 1.0), 0, 3, false, true), "shape (0, 3)");
    EXPECT_NAMES(mc::isotonic_surface(Values(6, NAN), Values(6, 1.0), 2, 3, false, true), "values[0] is nan");
}

TEST(CommitmentLayer, IsWhereTheWinnerStaysAhead) {
    EXPECT_EQ(mc::commitment_layer(Values{1, -1, 2, 3}), 2U);
    EXPECT_EQ(mc::commitment_layer(Values{-1, -2}), 0U);
    EXPECT_EQ(mc::commitment_layer(Values{1, 0, 1}), 2U);
    EXPECT_FALSE(mc::commitment_layer(Values{1, 0}).has_value());
    EXPECT_FALSE(mc::commitment_layer(Values{}).has_value());
    EXPECT_NAMES(mc::commitment_layer(Values{1, NAN}), "lead[1] is nan");
}

TEST(PermutationTest, ReachesTheExactPValue) {
    // Of the C(6, 3) = 20 ways to choose three of six, two give so large a difference: p = 0.1.
    const Values values = {4, 5, 6, 1, 2, 3};
    const std::vector<std::uint8_t> first = {1, 1, 1, 0, 0, 0};
    const mc::PermutationTest test = mc::permutation_test(values, first, {}, 50000);
    EXPECT_DOUBLE_EQ(test.difference, 3.0);
    EXPECT_NEAR(test.p_value, 0.1, 0.006);
    EXPECT_EQ(mc::permutation_test(values, first, {}, 500, 3, 1).p_value, mc::permutation_test(values, first, {}, 500, 3, 4).p_value);
    EXPECT_NAMES(mc::permutation_test(values, std::vector<std::uint8_t>(6, 1)), "both kinds");
    EXPECT_NAMES(mc::permutation_test(values, first, {}, 10), "permutations is 10");
}
