#include "standardised.hpp"

#include "checks.hpp"

#include <Eigen/LU>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace modalconflict::detail {
namespace {
// Separated data push the slope to infinity; there the curve is a step at any resolution of the data.
constexpr double kSteepest = 1e4;
constexpr double kTolerance = 1e-12;
constexpr double kNarrowest = 1e-140, kWidest = 1e140;  // ranges of x whose squares a double holds
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

LapseSolution maximise_from_many(const LapseEvaluate& evaluate_at, const LapseBounds& bounds, int max_iterations) {
    // Without lapses the likelihood has one peak: its fit is the place from which the others start.
    LapseBounds plain = bounds;
    for (const std::size_t lapse : {2U, 3U}) plain.high[lapse] = plain.low[lapse];
    const double sign = bounds.high[1] > 0.0 ? 1.0 : -1.0;
    const LapseSolution first =
        maximise(evaluate_at, {0.0, sign, plain.low[2], plain.low[3]}, plain, max_iterations, kTolerance);
    if (bounds.low[2] == bounds.high[2] && bounds.low[3] == bounds.high[3]) return first;
    LapseSolution best = first;
    best.state.log_likelihood = -std::numeric_limits<double>::infinity();
    constexpr std::array<std::array<double, 2>, 4> kLapseStarts = {{{0.01, 0.01}, {0.1, 0.02}, {0.02, 0.1}, {0.1, 0.1}}};
    for (const auto& lapses : kLapseStarts) {
        // Lapses flatten a fit without them: the curve inside them is steeper.
        const double steeper = 1.0 + 4.0 * (lapses[0] + lapses[1]);
        const LapseParameters start = {first.parameters[0] * steeper, first.parameters[1] * steeper, lapses[0], lapses[1]};
        const LapseSolution found = maximise(evaluate_at, start, bounds, max_iterations, kTolerance);
        if (found.state.log_likelihood > best.state.log_likelihood + 1e-10) best = found;
    }
    return best;
}

Eigen::Matrix4d inverse_information(const LapseSolution& solution, const LapseBounds& bounds) {
    const auto free = free_parameters(solution.parameters, solution.state.gradient, bounds);
    Eigen::Matrix4d information = Eigen::Matrix4d::Identity(), select = Eigen::Matrix4d::Zero();
    for (Eigen::Index i = 0; i < 4; ++i) {
        if (!free[static_cast<std::size_t>(i)]) continue;
        select(i, i) = 1.0;
        for (Eigen::Index j = 0; j < 4; ++j) {
            if (free[static_cast<std::size_t>(j)]) information(i, j) = solution.state.information(i, j);
        }
    }
    const Eigen::FullPivLU<Eigen::Matrix4d> lu(information);
    if (!lu.isInvertible()) return Eigen::Matrix4d::Constant(std::numeric_limits<double>::quiet_NaN());
    return select * lu.inverse() * select;
}

LogisticFit as_fit(const LapseSolution& solution, const Standardised& scale, const LapseBounds& bounds,
                   const LogisticOptions& options, const Eigen::Matrix4d& covariance) {
    const auto& t = solution.parameters;
    LogisticFit fit;
    fit.increasing = options.increasing;
    fit.slope = t[1] / scale.spread;
    fit.intercept = t[0] - t[1] * scale.centre / scale.spread;
    fit.lower_lapse = t[2];
    fit.upper_lapse = t[3];
    fit.width = fit.slope == 0.0 ? std::numeric_limits<double>::infinity() : 1.0 / std::abs(fit.slope);
    fit.location = fit.slope == 0.0 ? std::numeric_limits<double>::quiet_NaN() : -fit.intercept / fit.slope;
    fit.log_likelihood = solution.state.log_likelihood;
    fit.converged = solution.converged;
    const auto capped = [&](std::size_t i) { return bounds.low[i] < bounds.high[i] && t[i] >= bounds.high[i]; };
    fit.lapse_at_bound = options.max_lapse > 0.0 && (capped(2) || capped(3));
    Eigen::Matrix4d back = Eigen::Matrix4d::Identity();
    back(0, 1) = -scale.centre / scale.spread;
    back(1, 1) = 1.0 / scale.spread;
    Eigen::Map<Eigen::Matrix<double, 4, 4, Eigen::RowMajor>>(fit.covariance.data()) = back * covariance * back.transpose();
    return fit;
}

void check_curve(std::span<const double> x, const LogisticOptions& options) {
    if (std::all_of(x.begin(), x.end(), [&](double value) { return value == x[0]; })) {
        checks::fail("x has one distinct value, ", x[0], ": a curve needs at least two");
    }
    const auto [low, high] = std::minmax_element(x.begin(), x.end());
    if (const double range = *high - *low; !(range >= kNarrowest && range <= kWidest)) {
        checks::fail("x spans ", range, ": rescale it so that its squares are within the range of a double");
    }
    if (!(options.max_lapse >= 0.0 && options.max_lapse < 0.5)) {
        checks::fail("max_lapse is ", options.max_lapse, ": use a number within [0, 0.5)");
    }
    const auto fixed = [](std::string_view name, const std::optional<double>& lapse) {
        if (lapse && !(*lapse >= 0.0 && *lapse < 0.5)) {
            checks::fail(name, " is ", *lapse, ": hold it within [0, 0.5) or leave it free");
        }
    };
    fixed("lower_lapse", options.lower_lapse);
    fixed("upper_lapse", options.upper_lapse);
    if (options.max_iterations < 1) checks::fail("max_iterations is ", options.max_iterations, ": allow at least one");
}

}  // namespace modalconflict::detail
