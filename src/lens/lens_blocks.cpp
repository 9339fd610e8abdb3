#include "lens/lens_blocks.hpp"

#include <modalconflict/error.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>

namespace modalconflict::lens {
namespace {

constexpr std::int64_t kBlockRows = 256;
constexpr std::int64_t kLargestTopK = 4096;
// A quarter of a common 1 MB L2 cache, in floats: beside the tile's logits lie its sums, and the rows that it meets.
constexpr std::int64_t kTileElements = 64 * 1024;
// Longer tiles make the product no faster, and fewer of them share the work less evenly among threads.
constexpr std::int64_t kLongestTile = 512;

std::string text(std::int64_t value) { return std::to_string(value); }

void require_index(std::int64_t value, std::int64_t low, std::int64_t high, const std::string& what) {
    if (value < low || value >= high) {
        throw InvalidArgument("lens: " + what + " is " + text(value) + "; pass a number from " + text(low) + " to " +
                              text(high - 1));
    }
}

void require_size(std::size_t size, std::int64_t expected, const std::string& what) {
    if (static_cast<std::int64_t>(size) != expected) {
        throw InvalidArgument("lens: " + what + " has " + std::to_string(size) + " values; pass " + text(expected));
    }
}

void check_groups(const LensRows& rows, std::int64_t vocabulary) {
    require_index(rows.groups_per_row, 0, std::numeric_limits<std::int32_t>::max(), "groups_per_row");
    require_size(rows.row_groups.size(), rows.rows * rows.groups_per_row, "row_groups (rows x groups_per_row)");
    if (rows.group_offsets.empty()) {
        require_size(rows.tokens.size(), 0, "tokens, without group_offsets,");
    } else {
        const auto total = static_cast<std::int64_t>(rows.tokens.size());
        if (rows.group_offsets.front() != 0 || rows.group_offsets.back() != total) {
            throw InvalidArgument("lens: group_offsets runs from " + text(rows.group_offsets.front()) + " to " +
                                  text(rows.group_offsets.back()) + "; pass offsets from 0 to the " + text(total) +
                                  " tokens");
        }
        const auto fall = std::is_sorted_until(rows.group_offsets.begin(), rows.group_offsets.end());
        if (fall != rows.group_offsets.end()) {
            throw InvalidArgument("lens: group_offsets falls at index " + text(fall - rows.group_offsets.begin()) +
                                  "; pass offsets that never fall");
        }
    }
    for (std::size_t i = 0; i < rows.tokens.size(); ++i) {
        require_index(rows.tokens[i], 0, vocabulary, "tokens[" + std::to_string(i) + "]");
    }
    const auto groups = std::max<std::int64_t>(0, static_cast<std::int64_t>(rows.group_offsets.size()) - 1);
    for (std::size_t i = 0; i < rows.row_groups.size(); ++i) {
        require_index(rows.row_groups[i], -1, groups,
                      "row_groups of row " + text(static_cast<std::int64_t>(i) / rows.groups_per_row));
    }
}

// Row, in the block, of one of the caller's rows: added for comparison only if the block does not own it.
std::int64_t place_in(Block& block, std::map<std::int64_t, std::int64_t>& places, std::int64_t row) {
    const auto [entry, added] = places.try_emplace(row, static_cast<std::int64_t>(block.rows.size()));
    if (added) {
        block.rows.push_back(row);
        block.destination.push_back(-1);
        block.compared_with.push_back(-1);
    }
    return entry->second;
}

void choose_tokens(const LensRows& rows, Block& block) {
    std::int64_t slot = 0;
    for (std::size_t row = 0; row < block.rows.size(); ++row) {
        for (std::int64_t g = 0; g < rows.groups_per_row; ++g) {
            const std::int64_t first = slot;
            const std::int64_t group =
                block.destination[row] < 0
                    ? -1
                    : rows.row_groups[static_cast<std::size_t>(block.rows[row] * rows.groups_per_row + g)];
            if (group >= 0) {
                const auto begin = static_cast<std::size_t>(rows.group_offsets[static_cast<std::size_t>(group)]);
                const auto end = static_cast<std::size_t>(rows.group_offsets[static_cast<std::size_t>(group) + 1]);
                for (std::size_t i = begin; i < end; ++i) {
                    block.chosen.push_back({rows.tokens[i], static_cast<std::int64_t>(row), slot++});
                }
            }
            block.slot_groups.emplace_back(first, slot);
        }
    }
    std::sort(block.chosen.begin(), block.chosen.end(),
              [](const ChosenToken& a, const ChosenToken& b) { return a.token < b.token; });
}

}  // namespace

void check_rows(const LensRows& rows, std::int64_t vocabulary) {
    if (rows.rows < 0 || rows.columns < 1) {
        throw InvalidArgument("lens: hidden is " + text(rows.rows) + " x " + text(rows.columns) +
                              "; pass rows >= 0 of at least one column");
    }
    if (rows.rows > 0 && rows.hidden == nullptr) {
        throw InvalidArgument("lens: hidden is null; pass the " + text(rows.rows) + " rows to read");
    }
    if (!rows.normed.empty()) require_size(rows.normed.size(), rows.rows, "normed");
    if (!rows.final_row.empty()) require_size(rows.final_row.size(), rows.rows, "final_row");
    for (std::size_t row = 0; row < rows.final_row.size(); ++row) {
        require_index(rows.final_row[row], -1, rows.rows, "final_row[" + std::to_string(row) + "]");
    }
    check_groups(rows, vocabulary);
}

void check_options(const LensOptions& options, std::int64_t vocabulary) {
    if (vocabulary < 1) throw InvalidArgument("lens: the vocabulary is empty; pass at least one token");
    require_index(options.vocabulary, 0, vocabulary + 1, "vocabulary");
    const std::int64_t kept =
        options.drop_padding && options.vocabulary > 0 ? options.vocabulary : vocabulary;
    require_index(options.top_k, 0, std::min(kept, kLargestTopK) + 1, "top_k");
    constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
    require_index(options.threads, 0, kMost, "threads");
    require_index(options.block_rows, 0, kMost, "block_rows");
    require_index(options.tile, 0, kMost, "tile");
    for (std::size_t i = 0; i < options.renyi_alphas.size(); ++i) {
        if (!(options.renyi_alphas[i] >= 0.0)) {
            throw InvalidArgument("lens: renyi_alphas[" + std::to_string(i) + "] is " +
                                  std::to_string(options.renyi_alphas[i]) + "; pass an order >= 0");
        }
    }
    for (std::size_t i = 0; i < options.tsallis_orders.size(); ++i) {
        if (!(options.tsallis_orders[i] >= 0.0) || std::isinf(options.tsallis_orders[i])) {
            throw InvalidArgument("lens: tsallis_orders[" + std::to_string(i) + "] is " +
                                  std::to_string(options.tsallis_orders[i]) + "; pass a finite order >= 0");
        }
    }
}

std::vector<Block> make_blocks(const LensRows& rows, std::int64_t block_rows) {
    const std::int64_t most = block_rows > 0 ? block_rows : kBlockRows;
    const auto final_of = [&](std::int64_t row) {
        return rows.final_row.empty() ? std::int64_t{-1} : rows.final_row[static_cast<std::size_t>(row)];
    };
    std::vector<std::int64_t> order;
    for (std::int64_t row = 0; row < rows.rows; ++row) order.push_back(row);
    // A row without a final row counts as its own case.
    const auto case_of = [&](std::int64_t row) { return final_of(row) < 0 ? row : final_of(row); };
    std::stable_sort(order.begin(), order.end(),
                     [&](std::int64_t a, std::int64_t b) { return case_of(a) < case_of(b); });

    std::vector<Block> blocks;
    for (std::size_t start = 0; start < order.size(); start += static_cast<std::size_t>(most)) {
        const std::size_t stop = std::min(order.size(), start + static_cast<std::size_t>(most));
        Block& block = blocks.emplace_back();
        std::map<std::int64_t, std::int64_t> places;
        for (std::size_t i = start; i < stop; ++i) {
            const std::int64_t place = place_in(block, places, order[i]);
            block.destination[static_cast<std::size_t>(place)] = order[i];
        }
        for (std::size_t i = start; i < stop; ++i) {
            const std::int64_t other = final_of(order[i]);
            if (other < 0) continue;
            const std::int64_t place = place_in(block, places, other);
            block.compared_with[static_cast<std::size_t>(places.at(order[i]))] = place;
        }
        choose_tokens(rows, block);
    }
    return blocks;
}

std::vector<Tile> make_tiles(std::int64_t rows, std::int64_t vocabulary, const LensOptions& options) {
    const std::int64_t chosen = kTileElements / std::max<std::int64_t>(1, rows) / kChunk * kChunk;
    const std::int64_t length = options.tile > 0 ? options.tile : std::clamp<std::int64_t>(chosen, 2 * kChunk, kLongestTile);
    const std::int64_t used = options.vocabulary > 0 ? options.vocabulary : vocabulary;
    std::vector<Tile> tiles;
    const auto cut = [&](std::int64_t first, std::int64_t last, bool padding) {
        for (; first < last; first += length) tiles.push_back({first, std::min(length, last - first), padding});
    };
    cut(0, used, false);
    cut(used, vocabulary, true);
    return tiles;
}

ReductionPlan make_plan(const Block& block, std::int64_t vocabulary, const LensOptions& options) {
    ReductionPlan plan;
    plan.rows = static_cast<std::int64_t>(block.rows.size());
    plan.drop_padding = options.drop_padding;
    const std::int64_t kept =
        options.drop_padding && options.vocabulary > 0 ? options.vocabulary : vocabulary;
    // The margin needs the second best; one place more than there are tokens tells that none is missing.
    plan.top_k = std::max<std::int64_t>(2, options.top_k + (options.top_k == kept ? 1 : 0));
    plan.compared_with = block.compared_with;
    plan.chosen = block.chosen;
    plan.tiles = make_tiles(plan.rows, vocabulary, options);
    for (const auto* orders : {&options.renyi_alphas, &options.tsallis_orders}) {
        for (const double order : *orders) {
            const bool known = std::find(plan.powers.begin(), plan.powers.end(), order) != plan.powers.end();
            if (!known && std::isfinite(order)) plan.powers.push_back(order);
        }
    }
    return plan;
}

LensReads empty_reads(const LensRows& rows, const LensOptions& options) {
    LensReads reads;
    reads.rows = rows.rows;
    reads.top_k = options.top_k;
    reads.groups_per_row = rows.groups_per_row;
    const auto n = static_cast<std::size_t>(rows.rows);
    constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
    for (auto* values : {&reads.entropy, &reads.varentropy, &reads.max_logit, &reads.log_normalizer,
                         &reads.max_probability, &reads.one_minus_max, &reads.one_minus_margin, &reads.gini,
                         &reads.top_k_entropy, &reads.padding_mass, &reads.kl_final}) {
        values->assign(n, kNaN);
    }
    reads.finite.assign(n, 0);
    reads.renyi.assign(n * options.renyi_alphas.size(), kNaN);
    reads.tsallis.assign(n * options.tsallis_orders.size(), kNaN);
    reads.chosen.assign(n * static_cast<std::size_t>(rows.groups_per_row), kNaN);
    reads.top_ids.assign(n * static_cast<std::size_t>(options.top_k), -1);
    reads.top_logits.assign(n * static_cast<std::size_t>(options.top_k), -std::numeric_limits<float>::infinity());
    return reads;
}

}  // namespace modalconflict::lens
