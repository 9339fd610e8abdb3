#include <modalconflict/core/balance_point.hpp>

#include "balance_methods.hpp"
#include "checks.hpp"
#include "intervals.hpp"

#include <modalconflict/core/parallel.hpp>

#include <algorithm>
#include <limits>
#include <numeric>

namespace modalconflict {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

bool crosses(const BalancePoint& point) { return !std::isnan(point.estimate); }

detail::LogisticBootstrap resampler(const BalanceCases& cases, std::span<const std::size_t> codes, std::size_t count,
                                    const BalanceOptions& options) {
    LogisticOptions logistic = options.logistic;
    logistic.increasing = false;
    return {cases.x, cases.y, codes, count, logistic_fit(cases.x, cases.y, {}, logistic), logistic};
}

}  // namespace

bool balance_points_disagree(const BalancePoint& first, const BalancePoint& second) {
    if (crosses(first) != crosses(second)) return true;
    if (!crosses(first)) return first.status != second.status;
    const auto outside = [](double estimate, const BalancePoint& other) {
        return estimate < other.low || estimate > other.high;
    };
    return outside(first.estimate, second) && outside(second.estimate, first);
}

BalanceDifference balance_point_difference(const BalanceCases& first, const BalanceCases& second,
                                           const BalanceOptions& options) {
    checks::not_empty("x of the first model", first.x.size());
    checks::not_empty("x of the second model", second.x.size());
    if (first.groups.empty() || second.groups.empty()) {
        checks::fail("groups are needed for both models: the same label marks the same group, or the same case, in both");
    }
    BalanceOptions each = options;
    each.method = BalanceMethod::logistic;
    BalanceDifference result;
    result.level = options.level;
    result.first = balance_point(first.x, first.y, first.groups, each);
    result.second = balance_point(second.x, second.y, second.groups, each);

    std::vector<std::size_t> all(first.groups.begin(), first.groups.end());
    all.insert(all.end(), second.groups.begin(), second.groups.end());
    const std::vector<std::size_t> codes = detail::dense_codes(all, result.groups);
    if (result.groups == result.first.groups + result.second.groups) {
        checks::fail("the two models have no group in common: label the same images and texts alike in both");
    }
    if (!crosses(result.first) || !crosses(result.second)) {
        result.estimate = result.low = result.high = result.p_value = kNaN;
        return result;
    }
    result.estimate = result.first.estimate - result.second.estimate;
    const std::span<const std::size_t> codes_first = std::span(codes).first(first.x.size());
    const std::span<const std::size_t> codes_second = std::span(codes).subspan(first.x.size());
    const auto of_first = resampler(first, codes_first, result.groups, options);
    const auto of_second = resampler(second, codes_second, result.groups, options);
    result.replicates = options.replicates;
    std::vector<double> differences(options.replicates);
    parallel_for(options.replicates, options.threads, [&](std::size_t begin, std::size_t end) {
        detail::LogisticBootstrap::Scratch scratch;
        for (std::size_t r = begin; r < end; ++r) {
            const auto drawn = detail::draw_groups(options.seed, r, result.groups);
            differences[r] = of_first.crossing_of(drawn, scratch) - of_second.crossing_of(drawn, scratch);
        }
    });
    std::erase_if(differences, [](double value) { return std::isnan(value); });
    result.replicates_undefined = options.replicates - differences.size();
    if (differences.empty()) {
        result.low = -std::numeric_limits<double>::infinity();
        result.high = -result.low;
        result.p_value = 1.0;
        return result;
    }
    std::sort(differences.begin(), differences.end());
    result.low = detail::sorted_quantile(differences, 0.5 * (1.0 - options.level));
    result.high = detail::sorted_quantile(differences, 0.5 * (1.0 + options.level));
    const auto count = static_cast<double>(differences.size());
    const auto not_above = static_cast<double>(std::upper_bound(differences.begin(), differences.end(), 0.0) - differences.begin());
    const auto not_below = count - static_cast<double>(std::lower_bound(differences.begin(), differences.end(), 0.0) - differences.begin());
    result.p_value = std::min(1.0, 2.0 * (std::min(not_above, not_below) + 1.0) / (count + 1.0));
    return result;
}

}  // namespace modalconflict
