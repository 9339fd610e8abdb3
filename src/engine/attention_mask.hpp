#pragma once

#include <modalconflict/engine/bundle.hpp>

#include <cstdint>
#include <span>
#include <vector>

namespace modalconflict {

/// Where the queries and keys of a pass stand in their prompts; from this alone every kind of mask follows.
struct AttentionLayout {
    std::int64_t rows = 0;     ///< 1 where all rows of the batch are alike
    std::int64_t queries = 0;
    std::int64_t keys = 0;
    std::vector<std::int64_t> query_place;  ///< [rows, queries] place in the prompt, counted from 0
    std::vector<std::int64_t> key_place;    ///< [rows, keys]; -1: padding, seen by nobody
    std::vector<std::int64_t> query_block;  ///< [rows, queries] number of the image block, -1: text; empty: no images
    std::vector<std::int64_t> key_block;    ///< [rows, keys]
    std::vector<std::int64_t> query_run;    ///< [rows, queries] number of the run; empty: one run a row
    std::vector<std::int64_t> key_run;      ///< [rows, keys]; -1: of the shared prefix, seen by every run of the row

    /// A pass over places past .. past + queries - 1 behind past earlier ones, the same in every row.
    [[nodiscard]] static AttentionLayout contiguous(std::int64_t past, std::int64_t queries);
};

/// [rows, queries, keys]: 0 where the query sees the key, `hidden` where it does not. The hidden value is finite,
/// so that a row of padding that sees nothing stays a number.
[[nodiscard]] std::vector<float> attention_mask(const AttentionLayout& layout, MaskKind kind, std::int64_t window,
                                                float hidden);

/// The number of the image block each token belongs to, -1 for text: a block is an unbroken row of image tokens.
[[nodiscard]] std::vector<std::int64_t> image_blocks(std::span<const std::int64_t> ids, std::int64_t image_token_id);

}  // namespace modalconflict
