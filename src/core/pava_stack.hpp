#pragma once

// The pooling itself, apart from where the entries come from: the tests count how often an entry is read.

#include "pava.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace modalconflict::detail {

template <bool Increasing>
[[nodiscard]] bool out_of_order(double earlier, double later) {
    return Increasing ? earlier >= later : earlier <= later;
}

/// Pools a block with those at the top of the stack that it violates. Its sum, weight and mean are current.
template <bool Increasing>
void pool_back(std::vector<Block>& blocks, Block& block) {
    while (!blocks.empty() && out_of_order<Increasing>(blocks.back().mean, block.mean)) {
        const Block& earlier = blocks.back();
        block.sum += earlier.sum;
        block.weight += earlier.weight;
        block.mean = block.sum / block.weight;
        block.begin = earlier.begin;
        blocks.pop_back();
    }
}

/// Entries [begin, end), onto the stack.
///
/// Entries that follow a block join it as soon as their common mean violates its own: until then they are a stretch whose
/// every beginning has a mean on the right side of the block's, so pooling them one by one would end in the same block.
/// Noise around a flat curve returns after a few entries; a true step does not, so a block looks ahead no further than a
/// few times its own length. That, and that an entry joins a block once, keeps it linear however far a pooling
/// reaches back.
///
/// @tparam Entries  sum(i) = Σ w y and weight(i) = Σ w > 0 of entry i, and its mean(i).
template <bool Increasing, class Entries>
void pool_entries(const Entries& entries, std::size_t begin, std::size_t end, std::vector<Block>& blocks) {
    constexpr std::size_t kFarthest = 256, kTimesOwn = 4;
    std::size_t i = begin;
    while (i < end) {
        Block block{entries.sum(i), entries.weight(i), entries.mean(i), i, i + 1};
        ++i;
        for (bool joins = true; joins;) {
            const std::size_t horizon = std::min(end, i + std::min(kFarthest, kTimesOwn * (i - block.begin)));
            double sum = 0.0, weight = 0.0;
            joins = false;
            std::size_t next = i;
            while (next < horizon && !joins) {
                sum += entries.sum(next);
                weight += entries.weight(next++);
                joins = out_of_order<Increasing>(block.mean * weight, sum);
            }
            if (!joins) break;
            block.sum += sum;
            block.weight += weight;
            block.mean = block.sum / block.weight;
            i = next;
            pool_back<Increasing>(blocks, block);
        }
        block.end = i;
        blocks.push_back(block);
    }
}

}  // namespace modalconflict::detail
