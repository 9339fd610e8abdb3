#pragma once

#include "lens/tile_reduction.hpp"

#include <modalconflict/lens/lens_kernel.hpp>

#include <cstdint>
#include <utility>
#include <vector>

namespace modalconflict::lens {

/// Rows that share one walk over the vocabulary. The final row of every row is among them.
struct Block {
    std::vector<std::int64_t> rows;         ///< the caller's row of each row here
    std::vector<std::int64_t> destination;  ///< the same, or −1 for a final row whose reads another block writes
    std::vector<std::int64_t> compared_with;  ///< a row here, or −1
    std::vector<ChosenToken> chosen;        ///< rising by token
    std::vector<std::pair<std::int64_t, std::int64_t>> slot_groups;
};

/// @throws InvalidArgument  if a view of `rows` has the wrong size or an index out of range.
void check_rows(const LensRows& rows, std::int64_t vocabulary);

/// @throws InvalidArgument  if an option is outside what LensOptions states.
void check_options(const LensOptions& options, std::int64_t vocabulary);

/// Rows of one case go together as far as block_rows allows.
[[nodiscard]] std::vector<Block> make_blocks(const LensRows& rows, std::int64_t block_rows);

/// Cuts the vocabulary so that a tile's logits of `rows` rows stay in the L2 cache. It depends on nothing but its
/// arguments, so that results do not depend on the machine's threads.
[[nodiscard]] std::vector<Tile> make_tiles(std::int64_t rows, std::int64_t vocabulary, const LensOptions& options);

/// The plan of a block without what belongs to the unembedding (bias, scale, softcap).
[[nodiscard]] ReductionPlan make_plan(const Block& block, std::int64_t vocabulary, const LensOptions& options);

/// Reads of the right sizes with NaN, −1 and −∞ in them.
[[nodiscard]] LensReads empty_reads(const LensRows& rows, const LensOptions& options);

}  // namespace modalconflict::lens
