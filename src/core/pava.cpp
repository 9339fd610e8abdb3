#include "pava.hpp"

#include "pava_stack.hpp"

#include <modalconflict/core/parallel.hpp>

#include <algorithm>
#include <numeric>

namespace modalconflict::detail {
namespace {

struct Plain {
    const double* y;
    [[nodiscard]] double sum(std::size_t i) const { return y[i]; }
    [[nodiscard]] double mean(std::size_t i) const { return y[i]; }
    [[nodiscard]] static double weight(std::size_t) { return 1.0; }
};

struct Weighted {
    const double* y;
    const double* w;
    [[nodiscard]] double sum(std::size_t i) const { return y[i] * w[i]; }
    [[nodiscard]] double mean(std::size_t i) const { return y[i]; }
    [[nodiscard]] double weight(std::size_t i) const { return w[i]; }
};

struct Summed {
    const double* s;
    const double* w;
    [[nodiscard]] double sum(std::size_t i) const { return s[i]; }
    [[nodiscard]] double mean(std::size_t i) const { return s[i] / w[i]; }
    [[nodiscard]] double weight(std::size_t i) const { return w[i]; }
};

/// Parts of fixed length are pooled apart, then their blocks against each other: where the parts lie does not depend on
/// the number of threads, hence neither do the sums.
constexpr std::size_t kPart = std::size_t{1} << 17;

template <bool Increasing, class Entries>
void pava_in_parts(const Entries& entries, std::size_t n, std::vector<Block>& blocks, unsigned threads) {
    blocks.clear();
    if (n <= kPart) return pool_entries<Increasing>(entries, 0, n, blocks);
    const std::size_t parts = (n + kPart - 1) / kPart;
    std::vector<std::vector<Block>> of_part(parts);
    parallel_for(parts, threads, [&](std::size_t first, std::size_t last) {
        for (std::size_t part = first; part < last; ++part) {
            pool_entries<Increasing>(entries, part * kPart, std::min(n, (part + 1) * kPart), of_part[part]);
        }
    });
    for (auto& part : of_part) {
        for (Block& block : part) {
            pool_back<Increasing>(blocks, block);
            blocks.push_back(block);
        }
    }
}

template <class Entries>
void pava_of(const Entries& entries, std::size_t n, bool increasing, std::vector<Block>& blocks, unsigned threads) {
    increasing ? pava_in_parts<true>(entries, n, blocks, threads) : pava_in_parts<false>(entries, n, blocks, threads);
}

}  // namespace

void pava(std::span<const double> y, std::span<const double> weights, bool increasing, std::vector<Block>& blocks,
          unsigned threads) {
    if (weights.empty()) {
        pava_of(Plain{y.data()}, y.size(), increasing, blocks, threads);
    } else {
        pava_of(Weighted{y.data(), weights.data()}, y.size(), increasing, blocks, threads);
    }
}

void pava_of_sums(std::span<const double> sums, std::span<const double> weights, bool increasing,
                  std::vector<Block>& blocks, unsigned threads) {
    pava_of(Summed{sums.data(), weights.data()}, sums.size(), increasing, blocks, threads);
}

PooledSample pool(std::span<const double> x, std::span<const double> y, std::span<const double> weights) {
    const std::size_t n = x.size();
    std::vector<std::size_t> order(n);
    std::iota(order.begin(), order.end(), std::size_t{0});
    if (!std::is_sorted(x.begin(), x.end())) {
        // Ties in the order given: the result then does not depend on the sort's whims.
        std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
            return x[a] != x[b] ? x[a] < x[b] : a < b;
        });
    }
    PooledSample pooled;
    pooled.bin_of.assign(n, PooledSample::npos);
    pooled.x.reserve(n);
    pooled.y.reserve(n);
    pooled.weight.reserve(n);
    for (const std::size_t i : order) {
        const double weight = weights.empty() ? 1.0 : weights[i];
        if (weight == 0.0) continue;
        if (pooled.x.empty() || pooled.x.back() != x[i]) {
            pooled.x.push_back(x[i]);
            pooled.y.push_back(0.0);
            pooled.weight.push_back(0.0);
        }
        pooled.y.back() += weight * y[i];
        pooled.weight.back() += weight;
        pooled.bin_of[i] = pooled.x.size() - 1;
    }
    for (std::size_t bin = 0; bin < pooled.x.size(); ++bin) pooled.y[bin] /= pooled.weight[bin];
    return pooled;
}

}  // namespace modalconflict::detail
