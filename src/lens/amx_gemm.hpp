#pragma once

#include "lens/row_buffer.hpp"

#include <cstdint>

namespace modalconflict::lens {


/// Rows for the matrix unit of recent x86 processors (AMX), which multiplies bfloat16 by bfloat16 into float32. A float32 is
/// the exact sum of three bfloat16 (3 · 8 bits of significand hold its 24), so that three products give what one of
/// float32 by bfloat16 would: nothing is rounded but the sums.
class SplitRows {
public:
    static constexpr std::int64_t kBlock = 16;   ///< rows, and tokens, of a product of tiles
    static constexpr std::int64_t kStep = 32;    ///< steps of the hidden dimension that one product of tiles sums
    static constexpr std::int64_t kPieces = 3;
    static constexpr std::int64_t kTokens = 32;  ///< tokens that are multiplied at a time

    /// @param hidden  [rows, width], width a multiple of kStep
    SplitRows(const float* hidden, std::int64_t rows, std::int64_t width);

    [[nodiscard]] std::int64_t blocks() const { return blocks_; }

    /// The tile of a piece: 16 pairs of steps, 16 rows, the pair's two numbers.
    [[nodiscard]] const std::uint16_t* tile(std::int64_t step, std::int64_t block, std::int64_t piece) const {
        return reinterpret_cast<const std::uint16_t*>(tiles_.data()) +
               ((step * blocks_ + block) * kPieces + piece) * kBlock * kStep;
    }

private:
    std::int64_t blocks_;
    RowBuffer tiles_;
};

/// Whether this process may use the matrix unit.
[[nodiscard]] bool amx_available();

/// sums[t · sums_stride + r] += Σ_k x[r][k] · w[t][k] for kTokens tokens and all rows, k from step · kStep for `steps` steps.
/// @param w      The first token's weights at that k, bfloat16.
/// @param ahead  The same place of the tokens that come next, or null.
void amx_add(const SplitRows& rows, const std::uint16_t* w, std::int64_t w_stride, const std::uint16_t* ahead, std::int64_t step,
             std::int64_t steps, float* sums, std::int64_t sums_stride);

}  // namespace modalconflict::lens
