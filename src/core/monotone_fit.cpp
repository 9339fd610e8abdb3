#include <modalconflict/core/monotone_fit.hpp>

#include "checks.hpp"
#include "pava.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>

namespace modalconflict {
namespace {

// Ranges whose differences, and those of x times a weight of one, a double holds with room to spare.
constexpr double kWidest = 1e140, kTallest = 1e300;

void check_spread(std::string_view name, std::span<const double> values, double most) {
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    if (const double range = *high - *low; !(range <= most)) {
        checks::fail(name, " spans ", range, ": rescale it, differences beyond ", most, " leave the range of a double");
    }
}

detail::PooledSample checked_pool(std::span<const double> x, std::span<const double> y,
                                  std::span<const double> weights) {
    checks::not_empty("x", x.size());
    checks::same_length("y", y.size(), "x", x.size());
    checks::finite("x", x);
    checks::finite("y", y);
    checks::weights("weights", weights, x.size());
    check_spread("x", x, kWidest);
    check_spread("y", y, kTallest);
    return detail::pool(x, y, weights);
}

/// Pools the violators of checked values, which may still be too large to be summed.
void pool_checked(std::span<const double> y, std::span<const double> weights, bool increasing,
                  std::vector<detail::Block>& blocks) {
    detail::pava(y, weights, increasing, blocks, 0);
    for (const auto& block : blocks) {
        if (!std::isfinite(block.mean)) {
            checks::fail("y and weights from place ", block.begin, " on in the order of x are too large to be summed: rescale them");
        }
    }
}

}  // namespace

double MonotoneFit::predict(double query) const {
    if (std::isnan(query)) checks::fail("x is nan: a prediction needs a number");
    if (query <= x.front()) return y.front();
    if (query >= x.back()) return y.back();
    const std::size_t right = static_cast<std::size_t>(std::upper_bound(x.begin(), x.end(), query) - x.begin());
    const std::size_t left = right - 1;
    if (y[left] == y[right]) return y[left];
    const double value = y[left] + (y[right] - y[left]) * ((query - x[left]) / (x[right] - x[left]));
    return std::clamp(value, std::min(y[left], y[right]), std::max(y[left], y[right]));
}

std::optional<double> MonotoneFit::threshold(double level) const {
    if (std::isnan(level)) checks::fail("level is nan: a threshold needs a number");
    const double sign = increasing ? 1.0 : -1.0, target = sign * level;
    if (!(sign * y.front() < target && target < sign * y.back())) return std::nullopt;
    // First knot that reaches the level, and first that exceeds it: between them the curve is flat at the level.
    const auto reaches = std::partition_point(y.begin(), y.end(), [&](double value) { return sign * value < target; });
    const auto exceeds = std::partition_point(reaches, y.end(), [&](double value) { return sign * value <= target; });
    if (reaches != exceeds) {
        const auto first = reaches - y.begin(), last = exceeds - y.begin() - 1;
        return 0.5 * (x[static_cast<std::size_t>(first)] + x[static_cast<std::size_t>(last)]);
    }
    const std::size_t right = static_cast<std::size_t>(reaches - y.begin()), left = right - 1;
    return x[left] + (x[right] - x[left]) * ((level - y[left]) / (y[right] - y[left]));
}

std::vector<double> MonotoneFit::predict_smooth(std::span<const double> queries) const {
    const std::size_t n = x.size();
    std::vector<double> slope(n, 0.0);
    const auto secant = [&](std::size_t i) { return (y[i + 1] - y[i]) / (x[i + 1] - x[i]); };
    if (n == 2) slope[0] = slope[1] = secant(0);
    if (n > 2) {
        for (std::size_t i = 1; i + 1 < n; ++i) {
            const double before = secant(i - 1), after = secant(i);
            if (before * after <= 0.0) continue;
            const double h_before = x[i] - x[i - 1], h_after = x[i + 1] - x[i];
            const double w_before = 2.0 * h_after + h_before, w_after = h_after + 2.0 * h_before;
            slope[i] = (w_before + w_after) / (w_before / before + w_after / after);
        }
        // One-sided three-point slopes at the ends, limited so that the curve stays monotone.
        const auto end_slope = [](double h0, double h1, double s0, double s1) {
            const double candidate = ((2.0 * h0 + h1) * s0 - h0 * s1) / (h0 + h1);
            if (candidate * s0 <= 0.0) return 0.0;
            if (s0 * s1 <= 0.0 && std::abs(candidate) > 3.0 * std::abs(s0)) return 3.0 * s0;
            return candidate;
        };
        slope[0] = end_slope(x[1] - x[0], x[2] - x[1], secant(0), secant(1));
        slope[n - 1] = end_slope(x[n - 1] - x[n - 2], x[n - 2] - x[n - 3], secant(n - 2), secant(n - 3));
    }
    std::vector<double> out(queries.size());
    for (std::size_t q = 0; q < queries.size(); ++q) {
        const double query = queries[q];
        if (std::isnan(query)) checks::fail("x[", q, "] is nan: a prediction needs a number");
        if (query <= x.front() || query >= x.back()) {
            out[q] = query <= x.front() ? y.front() : y.back();
            continue;
        }
        const std::size_t right = static_cast<std::size_t>(std::upper_bound(x.begin(), x.end(), query) - x.begin());
        const std::size_t left = right - 1;
        const double h = x[right] - x[left], t = (query - x[left]) / h, u = 1.0 - t;
        const double smooth = y[left] * (1.0 + 2.0 * t) * u * u + slope[left] * h * t * u * u +
                              y[right] * t * t * (3.0 - 2.0 * t) - slope[right] * h * t * t * u;
        // Between knots closer than a double's least normal number slopes may overflow: the curve is straight there.
        out[q] = std::isfinite(smooth) ? std::clamp(smooth, std::min(y[left], y[right]), std::max(y[left], y[right])) : predict(query);
    }
    return out;
}

void isotonic_regression(std::span<const double> y, std::span<const double> weights, bool increasing,
                         std::span<double> out) {
    checks::not_empty("y", y.size());
    checks::same_length("out", out.size(), "y", y.size());
    checks::finite("y", y);
    if (!weights.empty()) {
        checks::same_length("weights", weights.size(), "y", y.size());
        for (std::size_t i = 0; i < weights.size(); ++i) {
            if (!(weights[i] > 0.0) || !std::isfinite(weights[i])) {
                checks::fail("weights[", i, "] is ", weights[i], ": weights here are finite and positive");
            }
        }
    }
    std::vector<detail::Block> blocks;
    pool_checked(y, weights, increasing, blocks);
    for (const auto& block : blocks) {
        std::fill(out.begin() + static_cast<std::ptrdiff_t>(block.begin),
                  out.begin() + static_cast<std::ptrdiff_t>(block.end), block.mean);
    }
}

MonotoneFit isotonic_fit(std::span<const double> x, std::span<const double> y, std::span<const double> weights,
                         bool increasing) {
    detail::PooledSample pooled = checked_pool(x, y, weights);
    std::vector<detail::Block> blocks;
    pool_checked(pooled.y, pooled.weight, increasing, blocks);
    for (const auto& block : blocks) {
        for (std::size_t i = block.begin; i < block.end; ++i) pooled.y[i] = block.mean;
    }
    return {std::move(pooled.x), std::move(pooled.y), std::move(pooled.weight), increasing};
}

MonotoneFit centered_isotonic_fit(std::span<const double> x, std::span<const double> y,
                                  std::span<const double> weights, bool increasing) {
    const detail::PooledSample pooled = checked_pool(x, y, weights);
    std::vector<detail::Block> blocks;
    pool_checked(pooled.y, pooled.weight, increasing, blocks);
    MonotoneFit fit;
    fit.increasing = increasing;
    for (const auto& block : blocks) {
        // Deviations from the first x: sums of large coordinates would lose the centre of a narrow stretch.
        const double origin = pooled.x[block.begin];
        double centre = 0.0;
        for (std::size_t i = block.begin; i < block.end; ++i) centre += pooled.weight[i] * (pooled.x[i] - origin);
        const double knot = origin + centre / block.weight;
        if (!std::isfinite(knot)) checks::fail("x times weights is too large to be summed: rescale the weights towards one");
        fit.x.push_back(std::clamp(knot, origin, pooled.x[block.end - 1]));  // products with the least weights round
        fit.y.push_back(block.mean);
        fit.weight.push_back(block.weight);
    }
    return fit;
}

}  // namespace modalconflict
