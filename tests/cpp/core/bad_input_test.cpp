// What no statistic may answer with a number: every fault, in every function that can meet it.

#include <modalconflict/core/balance_point.hpp>
#include <modalconflict/core/decomposition.hpp>
#include <modalconflict/core/isotonic_band.hpp>
#include <modalconflict/core/logistic_fit.hpp>
#include <modalconflict/core/monotone_fit.hpp>
#include <modalconflict/core/monotonicity.hpp>
#include <modalconflict/core/oscillation.hpp>

#include "expect_error.hpp"

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace mc = modalconflict;

namespace {

using Values = std::vector<double>;
using Groups = std::vector<std::size_t>;
const double kNaN = std::numeric_limits<double>::quiet_NaN(), kInfinity = std::numeric_limits<double>::infinity();

const Values kX = {-1.0, -0.7, -0.4, -0.1, 0.2, 0.5, 0.8, 1.0}, kY = {1, 1, 0, 1, 0, 1, 0, 0};
const Values kTotal = {4.0, 3.1, 2.5, 1.9, 1.2, 0.9, 0.4, 0.3}, kAt = {-0.5, 0.5};
const Groups kGroups = {0, 0, 1, 1, 2, 2, 3, 3};

struct Input {
    Values x = kX, y = kY;
    Groups groups = {};
    double level = 0.95;
};

/// One function of cases; `takes` says what it can be given beside places and outcomes.
struct Function {
    std::string name;
    std::function<void(const Input&)> call;
    bool groups = false, level = false, outcomes_are_shares = true, one_case_is_enough = false;
};

mc::BalanceOptions balance(mc::BalanceMethod method, mc::IntervalKind interval, double level) {
    mc::BalanceOptions options;
    options.method = method;
    options.interval = interval;
    options.level = level;
    options.replicates = 100;
    return options;
}

Groups groups_or_own(const Input& in) {
    return in.groups.empty() ? Groups(kGroups.begin(), kGroups.begin() + static_cast<std::ptrdiff_t>(in.x.size())) : in.groups;
}

const std::vector<Function>& functions() {
    using mc::BalanceMethod;
    using mc::IntervalKind;
    static const mc::MonotonicityOptions quick = [] {
        mc::MonotonicityOptions options;
        options.replicates = 100;
        return options;
    }();
    const auto point = [](BalanceMethod method, IntervalKind interval) {
        return [=](const Input& in) {
            (void)mc::balance_point(in.x, in.y, in.groups, balance(method, interval, in.level));
        };
    };
    static const std::vector<Function> all = {
        {"isotonic_fit", [](const Input& in) { (void)mc::isotonic_fit(in.x, in.y); }, false, false, false, true},
        {"centered_isotonic_fit", [](const Input& in) { (void)mc::centered_isotonic_fit(in.x, in.y); }, false, false, false, true},
        {"isotonic_band", [](const Input& in) { (void)mc::isotonic_band(in.x, in.y, in.groups, kAt, false, in.level, 100); }, true, true, false},
        {"logistic_fit", [](const Input& in) { (void)mc::logistic_fit(in.x, in.y, {}, {}, in.groups); }, true},
        {"cir", point(BalanceMethod::cir, IntervalKind::percentile), true, true},
        {"percentile", point(BalanceMethod::logistic, IntervalKind::percentile), true, true},
        {"bca", point(BalanceMethod::logistic, IntervalKind::bca), true, true},
        {"fieller", point(BalanceMethod::logistic, IntervalKind::fieller), true, true},
        {"balance_point_difference",
         [](const Input& in) {
             const Groups groups = groups_or_own(in);
             (void)mc::balance_point_difference({in.x, in.y, groups}, {kX, kY, kGroups},
                                                balance(BalanceMethod::logistic, IntervalKind::percentile, in.level));
         },
         true, true},
        {"decompose_following",
         [](const Input& in) {
             const Groups own = in.groups.empty() ? Groups{} : kGroups;
             (void)mc::decompose_following({in.x, in.y, in.groups}, {kX, kY, own}, in.level, 100);
         },
         true, true},
        {"crossing_likelihood_ratio", [](const Input& in) { (void)mc::crossing_likelihood_ratio(in.x, in.y, in.level); }, false, true, true, true},
        {"violation_test", [](const Input& in) { (void)mc::violation_test(in.x, in.y, in.groups, quick); }, true, false, false},
        {"trend_test", [](const Input& in) { (void)mc::trend_test(in.x, in.y, in.groups, quick); }, true, false, false},
        {"sufficiency_test",
         [](const Input& in) {
             (void)mc::sufficiency_test(in.x, in.y, std::span(kTotal).first(std::min(in.x.size(), kTotal.size())), in.groups);
         },
         true},
        {"spearman", [](const Input& in) { (void)mc::spearman(in.x, in.y); }, false, false, false, true},
    };
    return all;
}

void expect_refused(const Function& function, const Input& input, const std::string& part) {
    const std::string message = message_of([&] { function.call(input); });
    EXPECT_NE(message.find(part), std::string::npos) << function.name << ": " << message;
}

}  // namespace

TEST(BadInput, EmptyAndUnequal) {
    for (const Function& function : functions()) {
        expect_refused(function, {.x = {}, .y = {}}, "is empty");
        expect_refused(function, {kX, {1, 0, 1}}, "3 entries");
    }
}

TEST(BadInput, NumbersThatAreNone) {
    for (const Function& function : functions()) {
        for (const double value : {kNaN, kInfinity, -kInfinity}) {
            Input input;
            input.x[3] = value;
            expect_refused(function, input, "[3] is ");
            input = {};
            input.y[3] = value;
            expect_refused(function, input, "[3] is ");
        }
        Input input;
        input.y[5] = 1.5;
        if (function.outcomes_are_shares) expect_refused(function, input, "[5] is 1.5");
    }
}

TEST(BadInput, OneCase) {
    for (const Function& function : functions()) {
        if (!function.one_case_is_enough) expect_refused(function, {{0.5}, {1.0}}, "");
    }
}

TEST(BadInput, Groups) {
    for (const Function& function : functions()) {
        if (!function.groups) continue;
        expect_refused(function, {kX, kY, Groups(8, 5)}, "one group only");
        expect_refused(function, {kX, kY, {0, 1, 2}}, "3 entries");
    }
}

TEST(BadInput, GroupCodesMayBeAnyNumbers) {
    Groups far = kGroups;
    for (std::size_t& group : far) group = group == 0 ? std::numeric_limits<std::size_t>::max() : group << 40U;
    for (const Function& function : functions()) {
        if (function.groups && function.name != "balance_point_difference" && function.name != "decompose_following" &&
            function.name != "sufficiency_test") {  // whose eight cases are separated whatever the groups
            EXPECT_NO_THROW(function.call({kX, kY, far})) << function.name;
        }
    }
    // The order of the sums follows the codes, so two runs of a group must not change places: equal to the last bit.
    Groups spread = kGroups;
    for (std::size_t& group : spread) group <<= 40U;
    EXPECT_EQ(mc::logistic_fit(kX, kY, {}, {}, spread).covariance, mc::logistic_fit(kX, kY, {}, {}, kGroups).covariance);
}

TEST(BadInput, Levels) {
    for (const Function& function : functions()) {
        if (!function.level) continue;
        for (const double level : {0.0, 1.0, -0.5, 1.5, kNaN}) {
            Input input;
            input.level = level;
            expect_refused(function, input, function.name == "crossing_likelihood_ratio" ? "probability is " : "level is ");
        }
    }
}

TEST(BadInput, Weights) {
    const auto with = [](const Values& weights) {
        return std::vector<std::string>{message_of([&] { (void)mc::isotonic_fit(kX, kY, weights); }),
                                        message_of([&] { (void)mc::centered_isotonic_fit(kX, kY, weights); }),
                                        message_of([&] { (void)mc::logistic_fit(kX, kY, weights); })};
    };
    for (const double value : {-1.0, kNaN, kInfinity}) {
        Values weights(8, 1.0);
        weights[3] = value;
        for (const std::string& message : with(weights)) EXPECT_NE(message.find("weights[3] is "), std::string::npos) << message;
    }
    for (const std::string& message : with(Values(8, 0.0))) EXPECT_NE(message.find("all zero"), std::string::npos) << message;
    for (const std::string& message : with(Values(3, 1.0))) EXPECT_NE(message.find("3 entries"), std::string::npos) << message;
}

TEST(BadInput, OneAnswerThroughoutLeavesNoNumber) {
    const Values ones(8, 1.0);
    EXPECT_NAMES(mc::sufficiency_test(kX, ones, kTotal, {}), "1 throughout");
    EXPECT_FALSE(mc::isotonic_fit(kX, ones).threshold(0.5).has_value());
    EXPECT_FALSE(mc::logistic_fit(kX, ones).threshold(0.5).has_value());
    EXPECT_TRUE(std::isnan(mc::spearman(kX, ones)));
    const auto difference = mc::balance_point_difference({kX, ones, kGroups}, {kX, kY, kGroups},
                                                         balance(mc::BalanceMethod::logistic, mc::IntervalKind::percentile, 0.95));
    EXPECT_TRUE(std::isnan(difference.estimate) && std::isnan(difference.low) && std::isnan(difference.p_value));
}

TEST(BadInput, SeparatedOutcomesLeaveNoTest) {
    EXPECT_NAMES(mc::sufficiency_test(kX, Values{1, 1, 1, 1, 0, 0, 0, 0}, kTotal, {}), "separated");
}
