#include "lens/tile_reduction.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

namespace modalconflict::lens {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

// Finite logits, and at least one of them above −∞.
[[nodiscard]] bool usable(float largest) { return largest > kMinusInfinity && largest < -kMinusInfinity; }

[[nodiscard]] std::int64_t longest(const std::vector<Tile>& tiles) {
    std::int64_t count = 0;
    for (const Tile& tile : tiles) count = std::max(count, tile.count);
    return padded(count);
}

}  // namespace

BlockPartials::BlockPartials(const ReductionPlan& plan)
    : chosen_logits(plan.chosen.size(), kMinusInfinity),
      rows_(static_cast<std::size_t>(plan.rows)),
      powers_(plan.powers.size()),
      partials_(plan.tiles.size() * rows_),
      power_sums_(partials_.size() * powers_) {}

std::span<double> BlockPartials::powers(std::size_t tile, std::int64_t row) {
    return {power_sums_.data() + index(tile, row) * powers_, powers_};
}

std::span<const double> BlockPartials::powers(std::size_t tile, std::int64_t row) const {
    return {power_sums_.data() + index(tile, row) * powers_, powers_};
}

TileReducer::TileReducer(const ReductionPlan& plan, BlockPartials& partials, const RowKernels& kernels)
    : plan_(plan),
      partials_(partials),
      kernels_(kernels),
      best_(plan.rows, plan.top_k),
      peaks_(static_cast<std::size_t>(plan.rows)),
      chunk_maxima_(static_cast<std::size_t>(longest(plan.tiles) / kChunk)),
      exponentials_(static_cast<std::size_t>(longest(plan.tiles))),
      tile_bias_(plan.bias.empty() ? 0 : exponentials_.size()) {
    // Rows that share a final row go together: its exponentials are made once and used while they are in cache.
    std::map<std::int64_t, std::vector<std::int64_t>> by_final;
    for (std::int64_t row = 0; row < plan.rows; ++row) {
        const std::int64_t other = plan.compared_with[static_cast<std::size_t>(row)];
        by_final[other == row ? -1 : other].push_back(row);
    }
    for (auto& [other, rows] : by_final) {
        rows.insert(rows.begin(), other);
        groups_.push_back(std::move(rows));
    }
}

void TileReducer::reduce(std::size_t tile_number, float* logits, std::int64_t stride) {
    const Tile& tile = plan_.tiles[tile_number];
    if (!plan_.bias.empty()) std::copy_n(plan_.bias.begin() + tile.first, tile.count, tile_bias_.begin());
    for (std::int64_t row = 0; row < plan_.rows; ++row) {
        float* z = logits + row * stride;
        prepare_row(tile, z);
        partials_.at(tile_number, row) = {};
        const float largest = kernels_.maximum(z, padded(tile.count), chunk_maxima_.data());
        partials_.at(tile_number, row).largest = largest;
        if (!usable(largest)) continue;
        peaks_[static_cast<std::size_t>(row)] = find_peak(z, largest);
        if (!(tile.padding && plan_.drop_padding)) offer(tile, row, z);
    }
    pick_chosen(tile, logits, stride);
    for (const auto& group : groups_) {
        const std::int64_t other = group.front();
        const float* other_logits = other < 0 ? nullptr : logits + other * stride;
        const float reference = other < 0 ? kMinusInfinity : partials_.at(tile_number, other).largest;
        float* exponentials = nullptr;
        if (usable(reference)) {
            exponentials = exponentials_.data();
            kernels_.sums_keeping(other_logits, padded(tile.count), reference, exponentials);
        }
        for (std::size_t i = 1; i < group.size(); ++i) {
            sum_row(tile_number, group[i], logits + group[i] * stride, exponentials);
        }
    }
}

void TileReducer::prepare_row(const Tile& tile, float* z) const {
    const std::int64_t end = padded(tile.count);
    if (!plan_.bias.empty() || plan_.scale != 1.0F || plan_.softcap > 0.0F) {
        // What lies behind the tile's end may be anything: keep the arithmetic off it.
        std::fill(z + tile.count, z + end, 0.0F);
        kernels_.transform(z, tile_bias_.empty() ? nullptr : tile_bias_.data(), plan_.scale, plan_.softcap, end);
    }
    std::fill(z + tile.count, z + end, kMinusInfinity);
}

std::int64_t TileReducer::find_peak(const float* z, float largest) const {
    std::int64_t chunk = 0;
    while (chunk_maxima_[static_cast<std::size_t>(chunk)] != largest) ++chunk;
    return std::find(z + chunk * kChunk, z + (chunk + 1) * kChunk, largest) - z;
}

void TileReducer::offer(const Tile& tile, std::int64_t row, const float* z) {
    float threshold = best_.threshold(row);
    for (std::int64_t chunk = 0; chunk * kChunk < tile.count; ++chunk) {
        if (!(chunk_maxima_[static_cast<std::size_t>(chunk)] > threshold)) continue;
        const std::int64_t stop = std::min((chunk + 1) * kChunk, tile.count);
        for (std::int64_t i = chunk * kChunk; i < stop; ++i) {
            if (z[i] > threshold) {
                best_.insert(row, z[i], tile.first + i);
                threshold = best_.threshold(row);
            }
        }
    }
}

void TileReducer::pick_chosen(const Tile& tile, const float* logits, std::int64_t stride) {
    if (tile.padding && plan_.drop_padding) return;
    auto chosen = std::lower_bound(plan_.chosen.begin(), plan_.chosen.end(), tile.first,
                                   [](const ChosenToken& held, std::int64_t token) { return held.token < token; });
    for (; chosen != plan_.chosen.end() && chosen->token < tile.first + tile.count; ++chosen) {
        partials_.chosen_logits[static_cast<std::size_t>(chosen->slot)] =
            logits[chosen->row * stride + chosen->token - tile.first];
    }
}

void TileReducer::sum_row(std::size_t tile_number, std::int64_t row, float* z, float* other) {
    TilePartial& partial = partials_.at(tile_number, row);
    if (!usable(partial.largest)) return;
    const std::int64_t count = padded(plan_.tiles[tile_number].count);
    // The largest element is hidden for the time of the sums. Its d is 0, so only Σe, Σe² and the power sums,
    // which are counted without it, would have felt it; in the comparison its weight is set to 0 for the same effect.
    const std::int64_t peak = peaks_[static_cast<std::size_t>(row)];
    z[peak] = kMinusInfinity;
    RowSums sums;
    if (other == nullptr) {
        sums = kernels_.sums(z, count, partial.largest);
    } else {
        float& weight = other[peak];
        const float held = std::exchange(weight, 0.0F);
        sums = kernels_.sums_comparing(z, count, partial.largest, other);
        weight = held;
    }
    partial.rest = sums.e;
    partial.de = sums.de;
    partial.dde = sums.dde;
    partial.rest_square = sums.ee;
    partial.cross = sums.cross;
    const auto powers = partials_.powers(tile_number, row);
    for (std::size_t i = 0; i < powers.size(); ++i) {
        // Order 0 counts what is above −∞, however small.
        powers[i] = plan_.powers[i] > 0.0
            ? kernels_.power_sum(z, count, partial.largest, static_cast<float>(plan_.powers[i]))
            : static_cast<double>(std::count_if(z, z + count, [](float value) { return value > kMinusInfinity; }));
    }
    z[peak] = partial.largest;
}

}  // namespace modalconflict::lens
