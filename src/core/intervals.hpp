#pragma once

#include <modalconflict/core/logistic_fit.hpp>

#include <array>
#include <span>

namespace modalconflict::detail {

/// Quantile of sorted values that may be infinite, by linear interpolation between order statistics.
[[nodiscard]] double sorted_quantile(std::span<const double> sorted, double probability);

/// The two probabilities at which BCa reads the sorted replicates.
///
/// @param influence  What each resampled unit pushes the estimate by; its skewness is the acceleration.
/// Source: Efron (1987), Better Bootstrap Confidence Intervals.
[[nodiscard]] std::array<double, 2> bca_probabilities(std::span<const double> sorted, double estimate,
                                                      std::span<const double> influence, double level);

/// The places that a Wald test of "P is one half here" does not refuse; (−inf, inf) where the slope is too weak to
/// bound them.
/// Source: Fieller (1954), Some problems in interval estimation.
[[nodiscard]] std::array<double, 2> fieller_interval(const LogisticFit& fit, double level);

}  // namespace modalconflict::detail
