#include <modalconflict/lens/lens_kernel.hpp>

#include "lens/final_norm.hpp"
#include "lens/lanes.hpp"
#include "lens/lens_blocks.hpp"
#include "lens/row_buffer.hpp"
#include "lens/tile_gemm.hpp"

#include <modalconflict/error.hpp>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <functional>
#include <string>

namespace modalconflict {
namespace lens {
namespace {

/// Fills a tile with the logits of a block's rows; `lane` tells threads apart.
using FillTile = std::function<void(int lane, const Tile& tile, float* logits, std::int64_t stride)>;

// A thread takes tens of microseconds to begin and to end: each lane gets work for several times that, by what a logit
// costs on a common core, about 3 ns to read and a nanosecond a few dozen products to make.
int lanes_worth(const ReductionPlan& plan, std::int64_t products, const LensOptions& options) {
    std::int64_t logits = 0;
    for (const Tile& tile : plan.tiles) logits += tile.count * plan.rows;
    constexpr std::int64_t kNanosecondsALane = 200'000;
    const std::int64_t worth = logits * (3 + products / 48) / kNanosecondsALane;
    const auto most = std::min(static_cast<std::int64_t>(plan.tiles.size()), worth);
    return static_cast<int>(std::clamp<std::int64_t>(most, 1, lane_count(options.threads)));
}

/// @param products  How many products `fill` sums for a logit.
void read_block(const ReductionPlan& plan, const Block& block, const FillTile& fill, std::int64_t products,
                const LensOptions& options, LensReads& reads) {
    BlockPartials partials(plan);
    const int lanes = lanes_worth(plan, products, options);
    std::vector<TileReducer> reducers;
    reducers.reserve(static_cast<std::size_t>(lanes));
    for (int lane = 0; lane < lanes; ++lane) reducers.emplace_back(plan, partials);
    std::int64_t stride = 0;
    for (const Tile& tile : plan.tiles) stride = std::max(stride, padded(tile.count));
    // Lanes take tiles as they come free: the order of merging is fixed afterwards.
    std::atomic<std::size_t> next{0};
    run_lanes(lanes, [&](int lane) {
        RowBuffer logits(static_cast<std::size_t>(plan.rows * stride));
        for (std::size_t tile = next++; tile < plan.tiles.size(); tile = next++) {
            fill(lane, plan.tiles[tile], logits.data(), stride);
            reducers[static_cast<std::size_t>(lane)].reduce(tile, logits.data(), stride);
        }
    });
    finish_block(plan, partials, reducers, block.destination, block.slot_groups, options, reads);
}

void check_unembedding(const LensRows& rows, const Unembedding& unembedding) {
    const MatrixView& weight = unembedding.weight;
    if (weight.data == nullptr) throw InvalidArgument("unembedding: weight is null; pass the [vocabulary, d] matrix");
    if (weight.columns != rows.columns) {
        throw InvalidArgument("unembedding: weight has " + std::to_string(weight.columns) +
                              " columns, the hidden states have " + std::to_string(rows.columns) +
                              "; pass the matrix of the same model");
    }
    if (unembedding.bias.data != nullptr && unembedding.bias.size != weight.rows) {
        throw InvalidArgument("unembedding: bias has " + std::to_string(unembedding.bias.size) + " values, weight has " +
                              std::to_string(weight.rows) + " rows; pass one value a token");
    }
    if (!std::isfinite(unembedding.scale)) {
        throw InvalidArgument("unembedding: scale is not finite; pass the factor on the logits");
    }
    const double cap = unembedding.softcap.value_or(1.0);
    if (!(cap > 0.0) || std::isinf(cap)) {
        throw InvalidArgument("unembedding: softcap is " + std::to_string(cap) + "; pass a finite number > 0 or none");
    }
}

/// The block's rows as they meet the matrix.
RowBuffer normed_rows(const LensRows& rows, const Block& block, const RowNorm& norm) {
    const auto width = static_cast<std::size_t>(rows.columns);
    RowBuffer hidden(block.rows.size() * width);
    for (std::size_t i = 0; i < block.rows.size(); ++i) {
        const auto row = static_cast<std::size_t>(block.rows[i]);
        const float* from = rows.hidden + row * width;
        float* to = hidden.data() + i * width;
        if (!rows.normed.empty() && rows.normed[row] != 0) {
            std::memcpy(to, from, width * sizeof(float));
        } else {
            norm.apply(from, to);
        }
    }
    return hidden;
}

}  // namespace
}  // namespace lens

LensReads read_lens(const LensRows& rows, const Unembedding& unembedding, const LensOptions& options) {
    const MatrixView& weight = unembedding.weight;
    lens::check_options(options, weight.rows);
    lens::check_rows(rows, weight.rows);
    lens::check_unembedding(rows, unembedding);
    const lens::RowNorm norm(unembedding.norm, rows.columns);
    const std::vector<float> bias = lens::widened(unembedding.bias);

    LensReads reads = lens::empty_reads(rows, options);
    for (const lens::Block& block : lens::make_blocks(rows, options.block_rows)) {
        lens::ReductionPlan plan = lens::make_plan(block, weight.rows, options);
        plan.bias = bias;
        plan.scale = static_cast<float>(unembedding.scale);
        plan.softcap = static_cast<float>(unembedding.softcap.value_or(0.0));
        const lens::RowBuffer hidden = lens::normed_rows(rows, block, norm);
        const lens::PackedRows packed(hidden.data(), plan.rows, rows.columns, weight.type);
        std::int64_t longest = 0;
        for (const lens::Tile& tile : plan.tiles) longest = std::max(longest, tile.count);
        std::vector<lens::TileGemm> products;
        const int lanes = lens::lane_count(options.threads);
        products.reserve(static_cast<std::size_t>(lanes));
        for (int lane = 0; lane < lanes; ++lane) products.emplace_back(packed, weight, longest);
        const auto fill = [&](int lane, const lens::Tile& tile, float* logits, std::int64_t stride) {
            products[static_cast<std::size_t>(lane)].logits(tile.first, tile.count, logits, stride);
        };
        lens::read_block(plan, block, fill, rows.columns, options, reads);
    }
    return reads;
}

LensReads reduce_logits(const LensRows& rows, const LensOptions& options) {
    lens::check_options(options, rows.columns);
    lens::check_rows(rows, rows.columns);
    LensReads reads = lens::empty_reads(rows, options);
    for (const lens::Block& block : lens::make_blocks(rows, options.block_rows)) {
        const lens::ReductionPlan plan = lens::make_plan(block, rows.columns, options);
        const auto fill = [&](int, const lens::Tile& tile, float* logits, std::int64_t stride) {
            for (std::size_t i = 0; i < block.rows.size(); ++i) {
                std::copy_n(rows.hidden + block.rows[i] * rows.columns + tile.first, tile.count,
                            logits + static_cast<std::int64_t>(i) * stride);
            }
        };
        lens::read_block(plan, block, fill, 0, options, reads);
    }
    return reads;
}

}  // namespace modalconflict
