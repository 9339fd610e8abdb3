#include "balance_methods.hpp"
#include "intervals.hpp"

#include <modalconflict/core/parallel.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace modalconflict::detail {
namespace {
constexpr std::size_t kFewGroups = 20;
}

void balance_by_logistic(const BalanceData& data, const BalanceOptions& options, BalancePoint& result) {
    LogisticOptions logistic = options.logistic;
    logistic.increasing = false;
    // Without groups every case is resampled by itself.
    std::vector<std::size_t> singles;
    if (data.groups.empty()) {
        singles.resize(data.x.size());
        std::iota(singles.begin(), singles.end(), std::size_t{0});
    }
    const std::span<const std::size_t> units = data.groups.empty() ? std::span<const std::size_t>(singles) : data.groups;
    const std::size_t unit_count = data.groups.empty() ? data.x.size() : data.group_count;
    // Probabilities scatter less than answers do: their variance has to be estimated too.
    const bool robust = !data.groups.empty() || data.soft;
    const LogisticFit fit = logistic_fit(data.x, data.y, {}, logistic, robust ? units : std::span<const std::size_t>{});
    if (!fit.converged) result.flags.emplace_back("not_converged");
    if (fit.separated) result.flags.emplace_back("separated");
    if (fit.lapse_at_bound) result.flags.emplace_back("lapse_at_bound");
    if (fit.slope == 0.0) result.flags.emplace_back("flat_fit");
    if (data.group_count > 0 && data.group_count < kFewGroups) result.flags.emplace_back("few_groups");

    const auto [low_x, high_x] = std::minmax_element(data.x.begin(), data.x.end());
    const double at_left = fit.predict(*low_x), at_right = fit.predict(*high_x);
    if (!(at_left > 0.5 && at_right < 0.5)) {
        if (fit.threshold(0.5)) result.flags.emplace_back("extrapolated");
        // A flat fit of answers that are one half exactly rounds to one side or the other.
        const bool half = fit.slope == 0.0 && std::abs(at_left - 0.5) < 1e-6;
        if (half) return set_no_crossing(result, BalanceStatus::unbounded);
        return set_no_crossing(result, at_right >= 0.5 ? BalanceStatus::always_text : BalanceStatus::always_vision);
    }
    const double estimate = fit.threshold(0.5).value();
    if (options.interval == IntervalKind::fieller) {
        const auto [low, high] = fieller_interval(fit, options.level);
        return set_crossing(result, estimate, low, high);
    }

    const LogisticBootstrap bootstrap(data.x, data.y, units, unit_count, fit, logistic);
    result.replicates = options.replicates;
    result.replicate_estimates.resize(options.replicates);
    parallel_for(options.replicates, options.threads, [&](std::size_t begin, std::size_t end) {
        LogisticBootstrap::Scratch scratch;
        for (std::size_t r = begin; r < end; ++r) {
            result.replicate_estimates[r] = bootstrap.crossing_of(draw_groups(options.seed, r, unit_count), scratch);
        }
    });
    std::vector<double> sorted = result.replicate_estimates;
    std::sort(sorted.begin(), sorted.end());
    result.replicates_without_crossing = static_cast<std::size_t>(
        std::count_if(sorted.begin(), sorted.end(), [](double value) { return std::isinf(value); }));
    if (result.replicates_without_crossing > 0) result.flags.emplace_back("no_crossing_in_replicates");
    std::array<double, 2> probabilities = {0.5 * (1.0 - options.level), 0.5 * (1.0 + options.level)};
    if (options.interval == IntervalKind::bca) {
        probabilities = bca_probabilities(sorted, estimate, bootstrap.influence(estimate), options.level);
    }
    set_crossing(result, estimate, sorted_quantile(sorted, probabilities[0]), sorted_quantile(sorted, probabilities[1]));
}

}  // namespace modalconflict::detail
