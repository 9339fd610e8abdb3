#include "balance_methods.hpp"
#include "pava.hpp"

#include <modalconflict/core/monotone_fit.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace modalconflict::detail {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kDispersionRounds = 5;
constexpr std::size_t kFewestForDispersion = 30;  // observations in the window; fewer widen it

struct Interval {
    double low, high;
};

/// Hull of the gaps whose statistic does not exceed the limit.
Interval accepted(const LikelihoodRatioProfile& profile, double limit) {
    const std::size_t count = profile.x.size();
    std::size_t first = 0, last = count;
    while (first < count && profile.statistic[first] > limit) ++first;
    while (last > first && profile.statistic[last] > limit) --last;
    return {first == 0 ? -kInfinity : profile.x[first - 1], last == count ? kInfinity : profile.x[last]};
}

/// Variance of the groups' summed residuals near the crossing over what independent outcomes would have.
double dispersion(const BalanceData& data, std::span<const double> fitted, Interval window) {
    std::vector<double> sums(data.groups.empty() ? 0 : data.group_count, 0.0);
    double observed = 0.0, expected = 0.0;
    for (std::size_t i = 0; i < data.x.size(); ++i) {
        if (data.x[i] < window.low || data.x[i] > window.high) continue;
        const double residual = data.y[i] - fitted[i];
        expected += fitted[i] * (1.0 - fitted[i]);
        if (sums.empty()) {
            observed += residual * residual;
        } else {
            sums[data.groups[i]] += residual;
        }
    }
    for (const double sum : sums) observed += sum * sum;
    return expected > 0.0 ? observed / expected : 1.0;
}

/// Widens a window to the nearest observations until it holds enough of them.
Interval widened(std::span<const double> sorted_x, Interval window, double centre) {
    const auto inside = static_cast<std::size_t>(std::upper_bound(sorted_x.begin(), sorted_x.end(), window.high) -
                                                 std::lower_bound(sorted_x.begin(), sorted_x.end(), window.low));
    if (inside >= kFewestForDispersion) return window;
    const std::size_t n = sorted_x.size(), wanted = std::min(kFewestForDispersion, n);
    std::size_t begin = static_cast<std::size_t>(std::lower_bound(sorted_x.begin(), sorted_x.end(), centre) - sorted_x.begin());
    std::size_t end = begin;
    while (end - begin < wanted) {
        const bool take_left = begin > 0 && (end == n || centre - sorted_x[begin - 1] <= sorted_x[end] - centre);
        take_left ? --begin : ++end;
    }
    return {std::min(window.low, sorted_x[begin]), std::max(window.high, sorted_x[end - 1])};
}

}  // namespace

void balance_by_cir(const BalanceData& data, const BalanceOptions& options, BalancePoint& result) {
    const double critical = likelihood_ratio_quantile(options.level);
    if (!data.groups.empty()) result.flags.emplace_back("assumes_independence");
    const MonotoneFit isotonic = isotonic_fit(data.x, data.y);
    const MonotoneFit centred = centered_isotonic_fit(data.x, data.y);
    if (centred.x.size() == 1) result.flags.emplace_back("flat_fit");
    const double first = centred.y.front(), last = centred.y.back();
    if (first == 0.5 && last == 0.5) return set_no_crossing(result, BalanceStatus::unbounded);
    if (last >= 0.5) return set_no_crossing(result, BalanceStatus::always_text);
    if (first <= 0.5) return set_no_crossing(result, BalanceStatus::always_vision);
    const double estimate = centred.threshold(0.5).value();

    const LikelihoodRatioProfile profile = crossing_likelihood_ratio(data.x, data.y);
    Interval interval = accepted(profile, critical);
    const bool grouped = !data.groups.empty() && options.cluster_correction;
    if (grouped || data.soft) {
        std::vector<double> fitted(data.x.size()), sorted(data.x.begin(), data.x.end());
        std::transform(data.x.begin(), data.x.end(), fitted.begin(), [&](double x) { return isotonic.predict(x); });
        std::sort(sorted.begin(), sorted.end());
        const BalanceData local = {data.x, data.y, grouped ? data.groups : std::span<const std::size_t>{},
                                   data.group_count, data.soft};
        // The window in which the constrained and the free fit differ is about the interval itself, which depends on
        // the dispersion in turn: a few rounds settle it.
        for (int round = 0; round < kDispersionRounds; ++round) {
            const double ratio = dispersion(local, fitted, widened(sorted, interval, estimate));
            // 0/1 outcomes vary at least as independent ones do; a smaller ratio is chance.
            result.dispersion = data.soft ? std::max(ratio, 1e-12) : std::max(ratio, 1.0);
            interval = accepted(profile, critical * result.dispersion);
        }
        if (grouped) result.flags.emplace_back("cluster_corrected");
    }
    if (estimate < interval.low || estimate > interval.high) {
        // A long flat stretch beside the crossing pulls its centre, and with it the estimate, out of the set.
        result.flags.emplace_back("estimate_outside_interval");
        interval = {std::min(interval.low, estimate), std::max(interval.high, estimate)};
    }
    set_crossing(result, estimate, interval.low, interval.high);
}

}  // namespace modalconflict::detail
