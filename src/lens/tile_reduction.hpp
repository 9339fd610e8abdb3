#pragma once

#include "lens/row_kernels.hpp"
#include "lens/top_candidates.hpp"

#include <modalconflict/lens/lens_kernel.hpp>

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace modalconflict::lens {

/// A run of tokens read at once. A tile is padding or not, never both.
struct Tile {
    std::int64_t first = 0;
    std::int64_t count = 0;
    bool padding = false;
};

/// Where a chosen token's logit goes.
struct ChosenToken {
    std::int64_t token;
    std::int64_t row;
    std::int64_t slot;
};

/// What is asked of the rows of one block. Torch-free: tiles of logits come from wherever.
struct ReductionPlan {
    std::int64_t rows = 0;
    std::int64_t top_k = 2;                ///< at least 2 where the vocabulary allows: the margin needs the second
    std::vector<std::int64_t> compared_with;  ///< a row of the block, the row itself, or −1; one a row
    std::vector<ChosenToken> chosen;       ///< rising by token
    std::vector<double> powers;            ///< finite orders of Rényi and Tsallis sums
    std::vector<Tile> tiles;               ///< rising, without gaps or overlap
    std::span<const float> bias;           ///< a token, or empty
    float scale = 1.0F;
    float softcap = 0.0F;                  ///< 0: none
    bool drop_padding = false;
};

/// One row of one tile: m = largest logit, and the sums with d = z − m. The largest element's own e^0 = 1 stays
/// out of the sums, so that a nearly certain row keeps its small remainder.
struct TilePartial {
    float largest = 0.0F;  ///< −∞: nothing here; NaN or +∞: the row is not finite
    double rest = 0.0;     ///< Σ e − 1
    double de = 0.0;
    double dde = 0.0;
    double rest_square = 0.0;  ///< Σ e² − 1
    double cross = 0.0;        ///< Σ e_final · d
};

/// The partial sums of a block: written by the lanes, each tile by one of them, merged when all are done.
class BlockPartials {
public:
    explicit BlockPartials(const ReductionPlan& plan);

    [[nodiscard]] TilePartial& at(std::size_t tile, std::int64_t row) { return partials_[index(tile, row)]; }
    [[nodiscard]] const TilePartial& at(std::size_t tile, std::int64_t row) const { return partials_[index(tile, row)]; }

    /// Σ e^{αd} − 1 for each of the plan's powers.
    [[nodiscard]] std::span<double> powers(std::size_t tile, std::int64_t row);
    [[nodiscard]] std::span<const double> powers(std::size_t tile, std::int64_t row) const;

    std::vector<float> chosen_logits;  ///< by slot

private:
    [[nodiscard]] std::size_t index(std::size_t tile, std::int64_t row) const {
        return tile * rows_ + static_cast<std::size_t>(row);
    }

    std::size_t rows_;
    std::size_t powers_;
    std::vector<TilePartial> partials_;
    std::vector<double> power_sums_;
};

/// Reduces tiles one after another: one object a thread.
class TileReducer {
public:
    TileReducer(const ReductionPlan& plan, BlockPartials& partials, const RowKernels& kernels = row_kernels());

    /// Reduces tile number `tile` of the plan, in rising order within one reducer.
    /// @param logits  [rows, stride], stride >= padded(count of the tile); overwritten.
    void reduce(std::size_t tile, float* logits, std::int64_t stride);

    [[nodiscard]] std::span<const Candidate> best(std::int64_t row) const { return best_.row(row); }

private:
    void prepare_row(const Tile& tile, float* z) const;
    [[nodiscard]] std::int64_t find_peak(const float* z, float largest) const;
    void offer(const Tile& tile, std::int64_t row, const float* z);
    void pick_chosen(const Tile& tile, const float* logits, std::int64_t stride);
    void sum_row(std::size_t tile, std::int64_t row, float* z, float* other);

    const ReductionPlan& plan_;
    BlockPartials& partials_;
    const RowKernels& kernels_;
    TopCandidates best_;
    std::vector<std::vector<std::int64_t>> groups_;  ///< the compared-with row (or −1 for none), then its rows
    std::vector<std::int64_t> peaks_;  ///< where the current tile's largest element is, a row
    std::vector<float> chunk_maxima_;
    std::vector<float> exponentials_;  ///< of the compared-with row
    std::vector<float> tile_bias_;
};

/// Merges a block's partials, tile after tile whatever thread made them, and writes the block's rows of `reads`.
///
/// @param destination  A row of `reads` for each row of the block, or −1 for a row that is there for comparison only.
/// @param slot_groups  For each row of the block and each of groups_per_row: the slots [first, last) of its tokens.
void finish_block(const ReductionPlan& plan, const BlockPartials& partials, std::span<const TileReducer> reducers,
                  std::span<const std::int64_t> destination,
                  std::span<const std::pair<std::int64_t, std::int64_t>> slot_groups, const LensOptions& options,
                  LensReads& reads);

}  // namespace modalconflict::lens
