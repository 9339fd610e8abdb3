#include "engine/attention_mask.hpp"

#include <algorithm>
#include <numeric>

namespace modalconflict {

AttentionLayout AttentionLayout::contiguous(std::int64_t past, std::int64_t queries) {
    AttentionLayout layout;
    layout.rows = 1;
    layout.queries = queries;
    layout.keys = past + queries;
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
    const bool runs = !layout.query_run.empty();
    std::vector<float> mask(static_cast<std::size_t>(layout.rows) * queries * keys);
    for (std::size_t row = 0; row < static_cast<std::size_t>(layout.rows); ++row) {
        const auto* key_place = layout.key_place.data() + row * keys;
        for (std::size_t q = row * queries; q < (row + 1) * queries; ++q) {
            const auto query = layout.query_place[q];
            // The window bounds how far back a query sees, its own image included; never how far ahead.
            const auto first = slides(kind) ? std::max<std::int64_t>(0, query - window + 1) : 0;
            float* out = mask.data() + q * keys;
            // Free of branches: masks of long prompts hold millions of entries.
            for (std::size_t k = 0; k < keys; ++k) out[k] = (key_place[k] >= first) & (key_place[k] <= query) ? 0.0F : hidden;
            if (blocks && layout.query_block[q] >= 0) {
                const auto* key_block = layout.key_block.data() + row * keys;
                for (std::size_t k = 0; k < keys; ++k) {
                    out[k] = (key_block[k] == layout.query_block[q]) & (key_place[k] >= first) ? 0.0F : out[k];
                }
            }
            if (runs) {
                const auto* key_run = layout.key_run.data() + row * keys;
                for (std::size_t k = 0; k < keys; ++k) {
                    out[k] = (key_run[k] < 0) | (key_run[k] == layout.query_run[q]) ? out[k] : hidden;
                }
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
