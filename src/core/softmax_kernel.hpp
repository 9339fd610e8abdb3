#pragma once

#include <cstddef>

namespace modalconflict::kernel {

/// Values summed at a time, 16 KiB: the maximum and the sums both find them in the first-level cache, with room for the
/// next tile.
template <class T>
constexpr std::size_t kTileValues = 16384 / sizeof(T);

/// Largest of n values; NaN is passed over, −inf when nothing is larger.
float tile_max(const float* values, std::size_t n);
double tile_max(const double* values, std::size_t n);

/// Sums over one tile relative to its own maximum; where a value is NaN, `first` is.
struct TileSums {
    double excess;  ///< Σ e − 1
    double first;   ///< Σ e·d
    double second;  ///< Σ e·d²
};
TileSums tile_sums(const float* values, std::size_t n, float max, float scale);
TileSums tile_sums(const double* values, std::size_t n, double max, double scale);

}  // namespace modalconflict::kernel
