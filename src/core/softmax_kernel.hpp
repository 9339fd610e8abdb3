#pragma once

#include <cstddef>

namespace modalconflict::kernel {

/// Largest of n values; NaN is passed over, −inf when nothing is larger.
float tile_max(const float* values, std::size_t n);
double tile_max(const double* values, std::size_t n);

/// Sums over one tile relative to its own maximum; NaN where a value is NaN.
struct TileSums {
    double excess;  ///< Σ e − 1
    double first;   ///< Σ e·d
    double second;  ///< Σ e·d²
};
TileSums tile_sums(const float* values, std::size_t n, float max, float scale);
TileSums tile_sums(const double* values, std::size_t n, double max, double scale);

}  // namespace modalconflict::kernel
