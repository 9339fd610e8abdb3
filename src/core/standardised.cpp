#include "standardised.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace modalconflict::detail {
namespace {
// Separated data push the slope to infinity; there the curve is a step at any resolution of the data.
constexpr double kSteepest = 1e4;
constexpr double kTolerance = 1e-12;
}  // namespace

Standardised Standardised::of(std::span<const double> x) {
    const auto [low, high] = std::minmax_element(x.begin(), x.end());
    double mean = 0.0, square = 0.0;
    for (const double value : x) mean += (value - *low) / static_cast<double>(x.size());
    mean += *low;
    for (const double value : x) square += (value - mean) * (value - mean) / static_cast<double>(x.size());
    const double spread = std::sqrt(square);
    return {mean, spread > 0.0 ? spread : std::max(*high - *low, 1.0)};
}

std::vector<double> Standardised::apply(std::span<const double> x) const {
    std::vector<double> z(x.size());
    std::transform(x.begin(), x.end(), z.begin(), [&](double value) { return (value - centre) / spread; });
    return z;
}

LapseBounds lapse_bounds(const LogisticOptions& options) {
    LapseBounds bounds;
    bounds.low = {-40.0 * kSteepest, options.increasing ? 0.0 : -kSteepest, options.lower_lapse.value_or(0.0),
                  options.upper_lapse.value_or(0.0)};
    bounds.high = {40.0 * kSteepest, options.increasing ? kSteepest : 0.0,
                   options.lower_lapse.value_or(options.max_lapse), options.upper_lapse.value_or(options.max_lapse)};
    return bounds;
}

LapseSolution maximise_from_many(const LapseData& data, const LapseBounds& bounds, int max_iterations) {
    // Without lapses the likelihood has one peak: its fit is the place from which the others start.
    LapseBounds plain = bounds;
    for (const std::size_t lapse : {2U, 3U}) plain.high[lapse] = plain.low[lapse];
    const double sign = bounds.high[1] > 0.0 ? 1.0 : -1.0;
    const LapseSolution first =
        maximise(data, {0.0, sign, plain.low[2], plain.low[3]}, plain, max_iterations, kTolerance);
    if (bounds.low[2] == bounds.high[2] && bounds.low[3] == bounds.high[3]) return first;
    LapseSolution best = first;
    best.state.log_likelihood = -std::numeric_limits<double>::infinity();
    constexpr std::array<std::array<double, 2>, 4> kLapseStarts = {{{0.01, 0.01}, {0.1, 0.02}, {0.02, 0.1}, {0.1, 0.1}}};
    for (const auto& lapses : kLapseStarts) {
        // Lapses flatten a fit without them: the curve inside them is steeper.
        const double steeper = 1.0 + 4.0 * (lapses[0] + lapses[1]);
        const LapseParameters start = {first.parameters[0] * steeper, first.parameters[1] * steeper, lapses[0], lapses[1]};
        const LapseSolution found = maximise(data, start, bounds, max_iterations, kTolerance);
        if (found.state.log_likelihood > best.state.log_likelihood + 1e-10) best = found;
    }
    return best;
}

}  // namespace modalconflict::detail
