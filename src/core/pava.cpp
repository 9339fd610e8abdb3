#include "pava.hpp"

#include <algorithm>
#include <cstdint>
#include <numeric>

namespace modalconflict::detail {
namespace {

template <bool Increasing, bool Weighted>
void run_pava(std::span<const double> y, std::span<const double> weights, std::vector<Block>& blocks) {
    const auto out_of_order = [](double earlier, double later) {
        return Increasing ? earlier >= later : earlier <= later;
    };
    const std::size_t n = y.size();
    blocks.clear();
    std::size_t i = 0;
    while (i < n) {
        double weight = Weighted ? weights[i] : 1.0;
        Block block{y[i] * weight, weight, y[i], i, i + 1};
        ++i;
        // Each observation joins a block once and each block is merged once: linear, however far a merge reaches back.
        while (true) {
            // The block's mean against the next value, without a division for every value.
            const auto next_violates = [&] {
                const double reached = y[i] * block.weight;
                return Increasing ? block.sum >= reached : block.sum <= reached;
            };
            while (i < n && next_violates()) {
                weight = Weighted ? weights[i] : 1.0;
                block.sum += y[i] * weight;
                block.weight += weight;
                ++i;
            }
            if (block.end != i) {
                block.end = i;
                block.mean = block.sum / block.weight;
            }
            if (blocks.empty() || !out_of_order(blocks.back().mean, block.mean)) break;
            const Block& earlier = blocks.back();
            block.sum += earlier.sum;
            block.weight += earlier.weight;
            block.mean = block.sum / block.weight;
            block.begin = earlier.begin;
            blocks.pop_back();
        }
        blocks.push_back(block);
    }
}

}  // namespace

void pava(std::span<const double> y, std::span<const double> weights, bool increasing, std::vector<Block>& blocks) {
    if (weights.empty()) {
        increasing ? run_pava<true, false>(y, weights, blocks) : run_pava<false, false>(y, weights, blocks);
    } else {
        increasing ? run_pava<true, true>(y, weights, blocks) : run_pava<false, true>(y, weights, blocks);
    }
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
