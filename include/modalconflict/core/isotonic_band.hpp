#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace modalconflict {

/// A band around an isotonic curve, for drawing.
struct IsotonicBand {
    std::vector<double> x;         ///< where it was asked for
    std::vector<double> fit;       ///< the isotonic curve of all observations
    std::vector<double> low, high; ///< pointwise percentiles of the replicates' curves
};

/// Percentiles of isotonic curves refitted to resampled groups. Observations are sorted once; a replicate only draws the
/// groups' weights and pools again. It shows how the curve scatters; the interval of a crossing must not be read off it,
/// since the bootstrap of an isotonic inverse is inconsistent (Sen, Banerjee & Woodroofe 2010).
///
/// @param at          Ascending places, shape (k,), at least one.
/// @param groups      Shape (n,) or empty: then every observation is resampled by itself.
/// @param replicates  At least 100.
[[nodiscard]] IsotonicBand isotonic_band(std::span<const double> x, std::span<const double> y,
                                         std::span<const std::size_t> groups, std::span<const double> at,
                                         bool increasing = false, double level = 0.95, std::size_t replicates = 2000,
                                         std::uint64_t seed = 0, unsigned threads = 0);

}  // namespace modalconflict
