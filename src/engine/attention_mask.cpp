#include "engine/attention_mask.hpp"

#include <numeric>

namespace modalconflict {

AttentionLayout AttentionLayout::contiguous(std::int64_t past, std::int64_t queries) {
    AttentionLayout layout{1, queries, past + queries, {}, {}, {}, {}};
    layout.query_place.resize(static_cast<std::size_t>(queries));
    layout.key_place.resize(static_cast<std::size_t>(past + queries));
    std::iota(layout.query_place.begin(), layout.query_place.end(), past);
    std::iota(layout.key_place.begin(), layout.key_place.end(), 0);
    return layout;
}

std::vector<float> attention_mask(const AttentionLayout& layout, MaskKind kind, std::int64_t window, float hidden) {
    const auto queries = static_cast<std::size_t>(layout.queries);
    const auto keys = static_cast<std::size_t>(layout.keys);
    const bool blocks = bidirectional_in_images(kind) && !layout.query_block.empty();
    std::vector<float> mask(static_cast<std::size_t>(layout.rows) * queries * keys, hidden);
    for (std::size_t row = 0; row < static_cast<std::size_t>(layout.rows); ++row) {
        for (std::size_t q = 0; q < queries; ++q) {
            const auto query = layout.query_place[row * queries + q];
            float* out = mask.data() + (row * queries + q) * keys;
            for (std::size_t k = 0; k < keys; ++k) {
                const auto key = layout.key_place[row * keys + k];
                bool seen = key >= 0 && key <= query;
                if (blocks && layout.query_block[row * queries + q] >= 0) {
                    seen = seen || layout.query_block[row * queries + q] == layout.key_block[row * keys + k];
                }
                // The window bounds how far back a query sees, its own image included; never how far ahead.
                if (slides(kind)) seen = seen && query - key < window;
                if (seen) out[k] = 0.0F;
            }
        }
    }
    return mask;
}

std::vector<std::int64_t> image_blocks(std::span<const std::int64_t> ids, std::int64_t image_token_id) {
    std::vector<std::int64_t> blocks(ids.size(), -1);
    std::int64_t block = -1;
    for (std::size_t i = 0; i < ids.size(); ++i) {
        if (ids[i] != image_token_id) continue;
        if (i == 0 || ids[i - 1] != image_token_id) ++block;
        blocks[i] = block;
    }
    return blocks;
}

}  // namespace modalconflict
