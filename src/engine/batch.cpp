#include "engine/batch.hpp"

#include <algorithm>

namespace modalconflict {
namespace {

std::vector<PlannedRow> one_run_a_row(const std::vector<std::int64_t>& runs) {
    std::vector<PlannedRow> rows;
    for (const auto run : runs) rows.push_back({-1, {run}});
    return rows;
}

std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

}  // namespace

at::Tensor states_at(const at::Tensor& hidden, const BatchRuns& runs) {
    return at::index(hidden, {at::tensor(runs.rows, at::kLong).to(hidden.device()),
                              at::tensor(runs.places, at::kLong).to(hidden.device())});
}

PromptBatch::PromptBatch(const CasePack& pack, const std::vector<PlannedRow>& rows, std::int64_t first, std::int64_t last)
    : pack_(pack), rows_(static_cast<std::int64_t>(rows.size())), first_(first) {
    for (std::int64_t row = 0; row < rows_; ++row) {
        std::int64_t start = 0;
        for (const auto run : rows[index(row)].runs) {
            const auto length = last > 0 ? last : static_cast<std::int64_t>(pack.run_ids(run).size());
            runs_.runs.push_back(run);
            runs_.rows.push_back(row);
            runs_.lengths.push_back(length);
            starts_.push_back(start);
            start += length - first;
            runs_.places.push_back(start - 1);
        }
        width_ = std::max(width_, start);
        tokens_ += start;
    }
}

PromptBatch::PromptBatch(const CasePack& pack, const std::vector<std::int64_t>& runs, std::int64_t first, std::int64_t last)
    : PromptBatch(pack, one_run_a_row(runs), first, last) {}

template <typename Visit>
void PromptBatch::for_each_token(Visit visit) const {
    for (std::size_t i = 0; i < starts_.size(); ++i) {
        const auto cell = runs_.rows[i] * width_ + starts_[i] - first_;
        for (auto place = first_; place < runs_.lengths[i]; ++place) visit(i, index(cell + place), place);
    }
}

PromptBatch::ImageTokens PromptBatch::image_tokens(std::size_t i, std::int64_t image_token_id) const {
    const auto all = pack_.run_ids(runs_.runs[i]);
    ImageTokens tokens{{}, std::count(all.begin(), all.begin() + first_, image_token_id)};
    const auto cell = runs_.rows[i] * width_ + starts_[i] - first_;
    for (auto place = first_; place < runs_.lengths[i]; ++place) {
        if (all[index(place)] == image_token_id) tokens.cells.push_back(cell + place);
    }
    return tokens;
}

const ImageRows& PromptBatch::image_of(std::size_t i, const std::map<std::int64_t, ImageRows>& images) const {
    return images.at(pack_.image_index[index(runs_.runs[i])]);
}

at::Tensor PromptBatch::embed(const Decoder& decoder, std::int64_t image_token_id,
                              const std::map<std::int64_t, ImageRows>& images) const {
    // Padding repeats the row's last token: a number like any other, seen by no query that is read. An image token may
    // stand outside the embedding's rows: what is fetched in its place is overwritten.
    std::vector<std::int64_t> ids(index(rows_ * width_), 0);
    for (std::size_t i = 0; i < starts_.size(); ++i) {
        const auto id = pack_.run_ids(runs_.runs[i])[index(runs_.lengths[i] - 1)];
        const auto row = ids.begin() + runs_.rows[i] * width_;
        if (id != image_token_id) std::fill(row + runs_.places[i] + 1, row + width_, id);
    }
    for_each_token([&](std::size_t i, std::size_t cell, std::int64_t place) {
        const auto id = pack_.run_ids(runs_.runs[i])[index(place)];
        if (id != image_token_id) ids[cell] = id;
    });
    at::Tensor hidden = decoder.embed(std::move(ids), rows_);
    at::Tensor cells = hidden.view({rows_ * width_, hidden.size(2)});
    for (std::size_t i = 0; i < starts_.size(); ++i) {
        const auto tokens = image_tokens(i, image_token_id);
        if (tokens.cells.empty()) continue;
        const auto count = static_cast<std::int64_t>(tokens.cells.size());
        cells.index_copy_(0, at::tensor(tokens.cells, at::kLong).to(hidden.device()),
                          image_of(i, images).features.narrow(0, tokens.first_row, count));
    }
    return hidden;
}

std::vector<Injection> PromptBatch::injections(const Bundle& bundle,
                                               const std::map<std::int64_t, ImageRows>& images) const {
    if (bundle.inject.empty()) return {};
    std::vector<std::int64_t> places;
    std::vector<std::vector<at::Tensor>> parts(bundle.inject.size());
    for (std::size_t i = 0; i < starts_.size(); ++i) {
        const auto tokens = image_tokens(i, bundle.image_token_id);
        if (tokens.cells.empty()) continue;
        places.insert(places.end(), tokens.cells.begin(), tokens.cells.end());
        const auto count = static_cast<std::int64_t>(tokens.cells.size());
        for (std::size_t k = 0; k < parts.size(); ++k) {
            parts[k].push_back(image_of(i, images).injected[k].narrow(0, tokens.first_row, count));
        }
    }
    if (places.empty()) return {};
    const auto where = at::tensor(places, at::kLong).to(parts.front().front().device());
    std::vector<Injection> all;
    for (std::size_t k = 0; k < parts.size(); ++k) all.push_back({bundle.inject[k].layer, where, at::cat(parts[k])});
    return all;
}

at::Tensor PromptBatch::positions() const {
    const auto total = pack_.ids.size();
    const auto cells = index(rows_ * width_);
    std::vector<std::int64_t> values(cells * static_cast<std::size_t>(pack_.position_dims), 0);
    for_each_token([&](std::size_t i, std::size_t cell, std::int64_t place) {
        const auto token = index(pack_.offsets[index(runs_.runs[i])] + place);
        for (std::size_t dim = 0; dim < static_cast<std::size_t>(pack_.position_dims); ++dim) {
            values[dim * cells + cell] = pack_.positions[dim * total + token];
        }
    });
    const auto tensor = at::tensor(values, at::kLong);
    return pack_.position_dims == 1 ? tensor.view({rows_, width_}) : tensor.view({pack_.position_dims, rows_, width_});
}

AttentionLayout PromptBatch::layout(bool with_image_blocks, std::int64_t image_token_id) const {
    // One run a row, and rows differ in their ends alone, where causality hides the padding.
    const bool several = static_cast<std::int64_t>(starts_.size()) > rows_;
    if (!several && !with_image_blocks) return AttentionLayout::contiguous(first_, width_);
    AttentionLayout layout;
    layout.rows = rows_;
    layout.queries = width_;
    layout.keys = first_ + width_;
    const auto queries = index(rows_ * width_), keys = index(rows_ * layout.keys);
    layout.query_place.assign(queries, 0);
    layout.key_place.assign(keys, -1);
    layout.query_run.assign(queries, -1);
    layout.key_run.assign(keys, -1);
    if (with_image_blocks) {
        layout.query_block.assign(queries, -1);
        layout.key_block.assign(keys, -1);
    }
    std::vector<std::int64_t> blocks;
    std::size_t blocks_of = starts_.size();
    const auto block_at = [&](std::size_t i, std::int64_t place) {
        if (blocks_of != i) blocks = image_blocks(pack_.run_ids(runs_.runs[i]), image_token_id);
        blocks_of = i;
        return blocks[index(place)];
    };
    for (std::size_t i = 0; i < starts_.size(); ++i) {
        for (std::int64_t place = 0; place < first_; ++place) {
            const auto key = index(runs_.rows[i] * layout.keys + place);
            layout.key_place[key] = place;
            if (with_image_blocks) layout.key_block[key] = block_at(i, place);
        }
    }
    for_each_token([&](std::size_t i, std::size_t cell, std::int64_t place) {
        const auto key = cell + index((runs_.rows[i] + 1) * first_);
        layout.query_place[cell] = layout.key_place[key] = place;
        layout.query_run[cell] = layout.key_run[key] = static_cast<std::int64_t>(i);
        if (with_image_blocks) layout.query_block[cell] = layout.key_block[key] = block_at(i, place);
    });
    return layout;
}

std::vector<std::int64_t> PromptBatch::next_positions() const {
    std::vector<std::int64_t> next;
    for (std::size_t i = 0; i < starts_.size(); ++i) {
        std::int64_t largest = 0;
        for (int dim = 0; dim < pack_.position_dims; ++dim) {
            const auto begin = pack_.positions.begin() + static_cast<std::ptrdiff_t>(dim) * static_cast<std::ptrdiff_t>(pack_.ids.size()) +
                               pack_.offsets[index(runs_.runs[i])];
            largest = std::max(largest, *std::max_element(begin, begin + runs_.lengths[i]));
        }
        next.push_back(largest + 1);
    }
    return next;
}

}  // namespace modalconflict
