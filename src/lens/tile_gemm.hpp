#pragma once

#include "lens/amx_gemm.hpp"
#include "lens/gemm_kernels.hpp"
#include "lens/row_buffer.hpp"

#include <modalconflict/lens/unembedding.hpp>

#include <cstdint>
#include <memory>
#include <vector>

namespace modalconflict::lens {

/// The rows of a block in the order in which the product reads them: panels of a few vectors of rows, step after step of
/// the hidden dimension, and the last few rows, which would fill no vector, one after the other.
class PackedRows {
public:
    /// @param hidden  [rows, width]
    PackedRows(const float* hidden, std::int64_t rows, std::int64_t width, WeightType weights,
               const GemmKernels& kernels = gemm_kernels());

    struct Panel {
        std::int64_t first = 0;    ///< its first row
        std::int64_t vectors = 0;  ///< vectors of rows
        std::int64_t offset = 0;   ///< where its numbers begin
    };

    [[nodiscard]] std::int64_t rows() const { return rows_; }
    [[nodiscard]] std::int64_t width() const { return width_; }
    /// Rows with those that fill the last panel up.
    [[nodiscard]] std::int64_t padded_rows() const { return padded_rows_; }
    [[nodiscard]] const std::vector<Panel>& panels() const { return panels_; }
    [[nodiscard]] std::int64_t first_single() const { return first_single_; }
    [[nodiscard]] const float* panel(const Panel& panel, std::int64_t k) const {
        return packed_.data() + panel.offset + k * panel.vectors * kernels_->lanes;
    }
    [[nodiscard]] const float* single(std::int64_t row, std::int64_t k) const {
        return packed_.data() + singles_offset_ + (row - first_single_) * width_ + k;
    }
    [[nodiscard]] const GemmKernels& kernels() const { return *kernels_; }
    /// The same rows for the matrix unit; null where it is not used.
    [[nodiscard]] const SplitRows* split() const { return split_.get(); }

private:
    const GemmKernels* kernels_;
    std::int64_t rows_;
    std::int64_t width_;
    std::int64_t padded_rows_ = 0;
    std::int64_t first_single_ = 0;
    std::int64_t singles_offset_ = 0;
    std::vector<Panel> panels_;
    RowBuffer packed_;
    std::unique_ptr<SplitRows> split_;
};

/// Makes tiles of logits, one object a thread: out[row, token − first] = x[row] · weight[token], in float32.
class TileGemm {
public:
    /// @param longest  The longest tile, in tokens.
    TileGemm(const PackedRows& rows, const MatrixView& weight, std::int64_t longest);

    /// @param out  [rows, stride], stride >= count
    void logits(std::int64_t first, std::int64_t count, float* out, std::int64_t stride);

private:
    void add_span(std::int64_t first, std::int64_t begin_token, std::int64_t count, std::int64_t begin, std::int64_t end);
    std::int64_t add_by_matrix_unit(std::int64_t first, std::int64_t count);
    [[nodiscard]] const char* place(std::int64_t token, std::int64_t k) const;

    const PackedRows& rows_;
    const MatrixView& weight_;
    std::int64_t element_bytes_;
    std::int64_t span_;   ///< steps of the hidden dimension whose packed rows stay in the cache
    RowBuffer sums_;      ///< [tokens, padded rows]
    RowBuffer widened_;   ///< [tokens at a time, steps at a time], for narrow weights
};

}  // namespace modalconflict::lens
