#pragma once

#include <Eigen/Core>

#include <array>
#include <cstddef>
#include <functional>
#include <span>

namespace modalconflict::detail {

/// (intercept, slope, lower lapse γ, upper lapse λ) of P = γ + (1 − γ − λ) σ(intercept + slope·x).
using LapseParameters = std::array<double, 4>;

struct LapseBounds {
    LapseParameters low, high;  ///< equal entries hold a parameter fixed
};

struct LapseData {
    std::span<const double> x, y, weight;  ///< weight empty: all one
    bool binary = false;                   ///< every y is 0 or 1, which saves time
};

/// Log likelihood, its gradient and the negative of its Hessian at one place.
struct LapseState {
    double log_likelihood = 0.0;
    Eigen::Vector4d gradient = Eigen::Vector4d::Zero();
    Eigen::Matrix4d information = Eigen::Matrix4d::Zero();
};
[[nodiscard]] LapseState evaluate(const LapseData& data, const LapseParameters& parameters);

/// The same without the log likelihood, which stays 0: about a third less work.
[[nodiscard]] LapseState evaluate_slopes(const LapseData& data, const LapseParameters& parameters);

/// Score of one observation of weight one.
[[nodiscard]] Eigen::Vector4d score(double x, double y, const LapseParameters& parameters);

struct LapseSolution {
    LapseParameters parameters{};
    LapseState state;
    bool converged = false;
};

using LapseEvaluate = std::function<LapseState(const LapseParameters&)>;

/// Projected, damped Newton steps on the exact Hessian from one start.
///
/// @param tolerance  Stops once a step promises less than this much log likelihood (the step is still taken).
[[nodiscard]] LapseSolution maximise(const LapseData& data, LapseParameters start, const LapseBounds& bounds,
                                     int max_iterations, double tolerance);

/// The same for another likelihood of the curve.
///
/// @param at_start  The state at the start, where it is known already.
[[nodiscard]] LapseSolution maximise(const LapseEvaluate& evaluate_at, LapseParameters start, const LapseBounds& bounds,
                                     int max_iterations, double tolerance, const LapseState* at_start = nullptr);

/// The same from a start that is near the peak, as a resampled sample's is near the full sample's: plain Newton steps as
/// long as each promises clearly less than the one before, without looking at the likelihood; else all over by maximise.
[[nodiscard]] LapseSolution maximise_nearby(const LapseData& data, const LapseParameters& start,
                                            const LapseState& at_start, const LapseBounds& bounds, int max_iterations,
                                            double tolerance);

/// Which parameters move: not fixed, and not held at a bound by the gradient.
[[nodiscard]] std::array<bool, 4> free_parameters(const LapseParameters& parameters, const Eigen::Vector4d& gradient,
                                                  const LapseBounds& bounds);

/// Where P = level on a decreasing or increasing curve; NaN where it does not cross.
[[nodiscard]] double crossing(const LapseParameters& parameters, double level);

}  // namespace modalconflict::detail
