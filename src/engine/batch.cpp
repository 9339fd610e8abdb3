#include "engine/batch.hpp"

#include <algorithm>

namespace modalconflict {

PromptBatch::PromptBatch(const CasePack& pack, std::vector<std::int64_t> runs, std::int64_t first, std::int64_t last)
    : pack_(pack), runs_(std::move(runs)), first_(first) {
    for (const auto run : runs_) {
        const auto length = last > 0 ? last : static_cast<std::int64_t>(pack.run_ids(run).size());
        lengths_.push_back(length);
        answer_.push_back(length - first - 1);
        width_ = std::max(width_, length - first);
    }
}

std::int64_t PromptBatch::tokens() const {
    std::int64_t count = 0;
    for (const auto length : lengths_) count += length - first_;
    return count;
}

PromptBatch::ImageTokens PromptBatch::image_tokens(std::size_t row, std::int64_t image_token_id) const {
    const auto all = pack_.run_ids(runs_[row]);
    ImageTokens tokens{{}, std::count(all.begin(), all.begin() + first_, image_token_id)};
    for (std::int64_t place = first_; place < lengths_[row]; ++place) {
        if (all[static_cast<std::size_t>(place)] == image_token_id) tokens.places.push_back(place - first_);
    }
    return tokens;
}

const ImageRows& PromptBatch::image_of(std::size_t row, const std::map<std::int64_t, ImageRows>& images) const {
    return images.at(pack_.image_index[static_cast<std::size_t>(runs_[row])]);
}

at::Tensor PromptBatch::embed(const Decoder& decoder, std::int64_t image_token_id,
                              const std::map<std::int64_t, ImageRows>& images) const {
    std::vector<std::int64_t> ids;
    for (std::size_t row = 0; row < runs_.size(); ++row) {
        const auto all = pack_.run_ids(runs_[row]);
        for (std::int64_t place = 0; place < width_; ++place) {
            // Padding repeats the last token: a number like any other, and seen by no query that is read.
            const auto id = all[static_cast<std::size_t>(std::min(first_ + place, lengths_[row] - 1))];
            // An image token may stand outside the embedding's rows: what it would fetch is overwritten.
            ids.push_back(id == image_token_id ? 0 : id);
        }
    }
    at::Tensor hidden = decoder.embed(std::move(ids), rows());
    for (std::size_t row = 0; row < runs_.size(); ++row) {
        const auto tokens = image_tokens(row, image_token_id);
        if (tokens.places.empty()) continue;
        const auto count = static_cast<std::int64_t>(tokens.places.size());
        hidden.select(0, static_cast<std::int64_t>(row))
            .index_copy_(0, at::tensor(tokens.places, at::kLong).to(hidden.device()),
                         image_of(row, images).features.narrow(0, tokens.first_row, count));
    }
    return hidden;
}

std::vector<Injection> PromptBatch::injections(const Bundle& bundle,
                                               const std::map<std::int64_t, ImageRows>& images) const {
    if (bundle.inject.empty()) return {};
    std::vector<std::int64_t> places;
    std::vector<std::vector<at::Tensor>> parts(bundle.inject.size());
    for (std::size_t row = 0; row < runs_.size(); ++row) {
        const auto tokens = image_tokens(row, bundle.image_token_id);
        if (tokens.places.empty()) continue;
        for (const auto place : tokens.places) places.push_back(static_cast<std::int64_t>(row) * width_ + place);
        const auto count = static_cast<std::int64_t>(tokens.places.size());
        for (std::size_t i = 0; i < parts.size(); ++i) {
            parts[i].push_back(image_of(row, images).injected[i].narrow(0, tokens.first_row, count));
        }
    }
    if (places.empty()) return {};
    const auto index = at::tensor(places, at::kLong).to(parts.front().front().device());
    std::vector<Injection> all;
    for (std::size_t i = 0; i < parts.size(); ++i) all.push_back({bundle.inject[i].layer, index, at::cat(parts[i])});
    return all;
}

at::Tensor PromptBatch::positions() const {
    const auto total = pack_.ids.size();
    std::vector<std::int64_t> values;
    for (int dim = 0; dim < pack_.position_dims; ++dim) {
        for (std::size_t row = 0; row < runs_.size(); ++row) {
            const auto begin = static_cast<std::size_t>(dim) * total +
                               static_cast<std::size_t>(pack_.offsets[static_cast<std::size_t>(runs_[row])]);
            for (std::int64_t place = 0; place < width_; ++place) {
                values.push_back(pack_.positions[begin + static_cast<std::size_t>(std::min(first_ + place, lengths_[row] - 1))]);
            }
        }
    }
    const auto tensor = at::tensor(values, at::kLong);
    return pack_.position_dims == 1 ? tensor.view({rows(), width_}) : tensor.view({pack_.position_dims, rows(), width_});
}

AttentionLayout PromptBatch::layout(bool with_image_blocks, std::int64_t image_token_id) const {
    const auto alike = AttentionLayout::contiguous(first_, width_);
    if (!with_image_blocks) return alike;
    AttentionLayout layout{rows(), alike.queries, alike.keys, {}, {}, {}, {}};
    for (std::size_t row = 0; row < runs_.size(); ++row) {
        layout.query_place.insert(layout.query_place.end(), alike.query_place.begin(), alike.query_place.end());
        layout.key_place.insert(layout.key_place.end(), alike.key_place.begin(), alike.key_place.end());
        auto blocks = image_blocks(pack_.run_ids(runs_[row]), image_token_id);
        blocks.resize(static_cast<std::size_t>(lengths_[row]));
        blocks.resize(static_cast<std::size_t>(alike.keys), -1);
        layout.key_block.insert(layout.key_block.end(), blocks.begin(), blocks.end());
        layout.query_block.insert(layout.query_block.end(), blocks.begin() + first_, blocks.end());
    }
    return layout;
}

std::vector<std::int64_t> PromptBatch::next_positions() const {
    std::vector<std::int64_t> next;
    for (std::size_t row = 0; row < runs_.size(); ++row) {
        std::int64_t largest = 0;
        for (int dim = 0; dim < pack_.position_dims; ++dim) {
            const auto begin = pack_.positions.begin() + static_cast<std::ptrdiff_t>(dim) * static_cast<std::ptrdiff_t>(pack_.ids.size()) +
                               pack_.offsets[static_cast<std::size_t>(runs_[row])];
            largest = std::max(largest, *std::max_element(begin, begin + lengths_[row]));
        }
        next.push_back(largest + 1);
    }
    return next;
}

}  // namespace modalconflict
