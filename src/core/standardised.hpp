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
LapseSolution maximise_from_many(const LapseData& data, const LapseBounds& bounds, int max_iterations);

}  // namespace modalconflict::detail
