#pragma once

#include "lapse_logistic.hpp"

#include <modalconflict/core/logistic_fit.hpp>

#include <span>
#include <vector>

namespace modalconflict::detail {

/// x = centre + spread·z: the optimiser sees z, so that its steps do not depend on the units of x.
struct Standardised {
    double centre = 0.0, spread = 1.0;
    static Standardised of(std::span<const double> x);
    [[nodiscard]] std::vector<double> apply(std::span<const double> x) const;
};

/// Bounds in the units of z.
LapseBounds lapse_bounds(const LogisticOptions& options);

/// The best of several starts: lapses make the likelihood many-peaked.
LapseSolution maximise_from_many(const LapseEvaluate& evaluate_at, const LapseBounds& bounds, int max_iterations);

/// A solution in standard units as a fit in the units of x, with the covariance given in standard units.
LogisticFit as_fit(const LapseSolution& solution, const Standardised& scale, const LapseBounds& bounds,
                   const LogisticOptions& options, const Eigen::Matrix4d& covariance);

/// Inverse information over the parameters that move; NaN where it is singular.
Eigen::Matrix4d inverse_information(const LapseSolution& solution, const LapseBounds& bounds);

/// Checks that every fit of the curve shares. @throws InvalidArgument
void check_curve(std::span<const double> x, const LogisticOptions& options);

}  // namespace modalconflict::detail
