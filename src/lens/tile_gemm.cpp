#include "lens/tile_gemm.hpp"

#include <algorithm>
#include <cstring>

namespace modalconflict::lens {
namespace {

// Steps of the hidden dimension that are summed in registers: the weights of a few tokens, 16 KB, stay in the
// first cache while all rows meet them, and float32 sums of this length are then added to a second float32.
constexpr std::int64_t kDepth = 512;
// Packed rows that are to stay in the second cache beside a tile's sums and the weights that stream through.
constexpr std::int64_t kResidentBytes = 768 * 1024;

constexpr std::int64_t rounded_up(std::int64_t value, std::int64_t step) { return (value + step - 1) / step * step; }

}  // namespace

PackedRows::PackedRows(const float* hidden, std::int64_t rows, std::int64_t width, WeightType weights, const GemmKernels& kernels)
    : kernels_(&kernels), rows_(rows), width_(width) {
    const std::int64_t lanes = kernels.lanes;
    std::int64_t vectors = rows / lanes;
    // Filling up the last vector pays where it is nearly full.
    const std::int64_t rest = rows % lanes;
    if (4 * rest > 3 * lanes) ++vectors;
    first_single_ = std::min(rows, vectors * lanes);
    padded_rows_ = rounded_up(std::max(rows, vectors * lanes), lanes);
    singles_offset_ = vectors * lanes * width;
    packed_ = RowBuffer(static_cast<std::size_t>(singles_offset_ + (rows - first_single_) * width));
    std::int64_t offset = 0;
    for (std::int64_t row = 0; vectors > 0;) {
        const std::int64_t here = std::min(vectors, kernels.most_vectors);
        panels_.push_back({row, here, offset});
        float* to = packed_.data() + offset;
        const std::int64_t filled = std::min(here * lanes, rows - row);
        for (std::int64_t k = 0; k < width; ++k, to += here * lanes) {
            for (std::int64_t i = 0; i < filled; ++i) to[i] = hidden[(row + i) * width + k];
            std::fill(to + filled, to + here * lanes, 0.0F);
        }
        offset += here * lanes * width;
        row += here * lanes;
        vectors -= here;
    }
    if (rows > first_single_) {
        std::memcpy(packed_.data() + singles_offset_, hidden + first_single_ * width,
                    static_cast<std::size_t>((rows - first_single_) * width) * sizeof(float));
    }
    const bool fits = weights == WeightType::bfloat16 && width % SplitRows::kStep == 0 && lanes == SplitRows::kBlock;
    if (rows > 0 && fits && amx_available()) split_ = std::make_unique<SplitRows>(hidden, rows, width);
}

TileGemm::TileGemm(const PackedRows& rows, const MatrixView& weight, std::int64_t longest)
    : rows_(rows),
      weight_(weight),
      element_bytes_(weight.type == WeightType::float32 ? 4 : 2),
      span_(std::max(kDepth, kResidentBytes / 4 / std::max<std::int64_t>(1, rows.padded_rows()) / kDepth * kDepth)),
      sums_(static_cast<std::size_t>(longest * rows.padded_rows())) {
    if (element_bytes_ == 2) widened_ = RowBuffer(static_cast<std::size_t>(rows.kernels().tokens * kDepth));
}

const char* TileGemm::place(std::int64_t token, std::int64_t k) const {
    return static_cast<const char*>(weight_.data) + (token * weight_.columns + k) * element_bytes_;
}

void TileGemm::logits(std::int64_t first, std::int64_t count, float* out, std::int64_t stride) {
    const std::int64_t padded = rows_.padded_rows();
    std::fill_n(sums_.data(), count * padded, 0.0F);
    const std::int64_t done = rows_.split() != nullptr ? add_by_matrix_unit(first, count) : 0;
    for (std::int64_t begin = 0; begin < weight_.columns; begin += span_) {
        add_span(first, done, count, begin, std::min(begin + span_, weight_.columns));
    }
    // Small squares at a time: both sides of the transposition stay in the first cache.
    constexpr std::int64_t kSquare = 16;
    for (std::int64_t token = 0; token < count; token += kSquare) {
        const std::int64_t stop = std::min(token + kSquare, count);
        for (std::int64_t row = 0; row < rows_.rows(); ++row) {
            for (std::int64_t t = token; t < stop; ++t) out[row * stride + t] = sums_.data()[t * padded + row];
        }
    }
}

// Whole groups of tokens; returns how many it did.
std::int64_t TileGemm::add_by_matrix_unit(std::int64_t first, std::int64_t count) {
    constexpr std::int64_t kTokens = SplitRows::kTokens;
    const std::int64_t padded = rows_.padded_rows();
    const std::int64_t whole = count / kTokens * kTokens;
    const std::int64_t steps = weight_.columns / SplitRows::kStep;
    // Equal spans of steps, each with packed rows (three bfloat16 a number) that stay in the second cache.
    const std::int64_t most = std::max<std::int64_t>(1, kResidentBytes / (padded * SplitRows::kPieces * 2) / SplitRows::kStep);
    const std::int64_t spans = (steps + most - 1) / most;
    for (std::int64_t span = 0; span < spans; ++span) {
        const std::int64_t begin = steps * span / spans;
        const std::int64_t end = steps * (span + 1) / spans;
        for (std::int64_t token = 0; token < whole; token += kTokens) {
            const auto* w = reinterpret_cast<const std::uint16_t*>(place(first + token, begin * SplitRows::kStep));
            const bool more = first + token + 2 * kTokens <= weight_.rows;
            const auto* ahead = more ? w + kTokens * weight_.columns : nullptr;
            amx_add(*rows_.split(), w, weight_.columns, ahead, begin, end - begin, sums_.data() + token * padded, padded);
        }
    }
    return whole;
}

void TileGemm::add_span(std::int64_t first, std::int64_t begin_token, std::int64_t count, std::int64_t begin, std::int64_t end) {
    const GemmKernels& kernels = rows_.kernels();
    const std::int64_t padded = rows_.padded_rows();
    for (std::int64_t token = begin_token; token < count; token += kernels.tokens) {
        const std::int64_t tokens = std::min(kernels.tokens, count - token);
        for (std::int64_t k = begin; k < end; k += kDepth) {
            const std::int64_t depth = std::min(kDepth, end - k);
            WeightBlock block{nullptr, weight_.columns, tokens, depth};
            if (element_bytes_ == 4) {
                block.data = static_cast<const float*>(weight_.data) + (first + token) * weight_.columns + k;
            } else {
                for (std::int64_t t = 0; t < tokens; ++t) {
                    kernels.widen(place(first + token + t, k), weight_.type, depth, widened_.data() + t * kDepth);
                }
                block.data = widened_.data();
                block.stride = kDepth;
            }
            // Next come the same tokens' further steps, then the next tokens.
            Ahead ahead{nullptr, weight_.columns * element_bytes_, element_bytes_};
            if (k + kDepth < end) {
                ahead.data = place(first + token, k + kDepth);
            } else if (first + token + 2 * kernels.tokens <= weight_.rows) {
                ahead.data = place(first + token + kernels.tokens, begin);
            }
            float* sums = sums_.data() + token * padded;
            for (const PackedRows::Panel& panel : rows_.panels()) {
                kernels.panel(panel.vectors, rows_.panel(panel, k), block, ahead, sums + panel.first, padded);
                ahead.data = nullptr;
            }
            for (std::int64_t row = rows_.first_single(); row < rows_.rows(); ++row) {
                kernels.single(rows_.single(row, k), block, ahead, sums + row, padded);
                ahead.data = nullptr;
            }
        }
    }
}

}  // namespace modalconflict::lens
