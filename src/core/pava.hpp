#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace modalconflict::detail {

/// Observations sorted by x, those with equal x pooled into their weighted mean.
struct PooledSample {
    std::vector<double> x, y, weight;
    std::vector<std::size_t> bin_of;  ///< observation → its pooled entry; npos where its weight is zero
    static constexpr std::size_t npos = static_cast<std::size_t>(-1);
};

/// @param weights  Empty means all one.
PooledSample pool(std::span<const double> x, std::span<const double> y, std::span<const double> weights);

/// One flat stretch of a monotone fit: entries [begin, end) share a value.
struct Block {
    double sum;     ///< Σ w y
    double weight;  ///< Σ w
    double mean;
    std::size_t begin, end;
};

/// Pooling of adjacent violators; blocks come out with strictly monotone means.
///
/// @param weights  Empty means all one.
/// @param threads  Workers for long input; 0: every core. The result does not depend on it.
void pava(std::span<const double> y, std::span<const double> weights, bool increasing, std::vector<Block>& blocks,
          unsigned threads = 1);

/// The same for entries that are sums already: Σ w y and Σ w > 0 of each.
void pava_of_sums(std::span<const double> sums, std::span<const double> weights, bool increasing,
                  std::vector<Block>& blocks, unsigned threads = 1);

}  // namespace modalconflict::detail
