#pragma once

#include "engine/attention_mask.hpp"
#include "engine/decoder.hpp"
#include "engine/plan.hpp"

#include <modalconflict/engine/case_pack.hpp>

#include <cstdint>
#include <map>
#include <span>
#include <vector>

namespace modalconflict {

/// A slice of several runs' prompts, padded on the right: the runs' tokens from place `first` on.
class PromptBatch {
public:
    /// @param last  Where the slice ends; 0: each run's own end.
    PromptBatch(const CasePack& pack, std::vector<std::int64_t> runs, std::int64_t first, std::int64_t last = 0);

    [[nodiscard]] std::int64_t rows() const { return static_cast<std::int64_t>(runs_.size()); }
    [[nodiscard]] std::int64_t width() const { return width_; }
    [[nodiscard]] std::int64_t first() const { return first_; }
    [[nodiscard]] const std::vector<std::int64_t>& runs() const { return runs_; }
    [[nodiscard]] const std::vector<std::int64_t>& lengths() const { return lengths_; }  ///< of the whole prompts
    [[nodiscard]] const std::vector<std::int64_t>& answer() const { return answer_; }    ///< last place, within the slice
    [[nodiscard]] std::int64_t tokens() const;  ///< padding not counted

    /// The embedding's output, images put in place of their tokens: [B, S, d].
    [[nodiscard]] at::Tensor embed(const Decoder& decoder, std::int64_t image_token_id,
                                   const std::map<std::int64_t, ImageRows>& images) const;

    /// What is added between layers to the states of the slice's image tokens; nothing where the slice has none.
    [[nodiscard]] std::vector<Injection> injections(const Bundle& bundle,
                                                    const std::map<std::int64_t, ImageRows>& images) const;

    /// [B, S], or [3, B, S] if the model has three rows of positions.
    [[nodiscard]] at::Tensor positions() const;

    [[nodiscard]] AttentionLayout layout(bool with_image_blocks, std::int64_t image_token_id) const;

    /// The position of the first token behind each run's prompt.
    [[nodiscard]] std::vector<std::int64_t> next_positions() const;

private:
    // The image tokens of one row of the slice, and which of the image's rows the first of them takes.
    struct ImageTokens {
        std::vector<std::int64_t> places;
        std::int64_t first_row = 0;
    };
    [[nodiscard]] ImageTokens image_tokens(std::size_t row, std::int64_t image_token_id) const;
    [[nodiscard]] const ImageRows& image_of(std::size_t row, const std::map<std::int64_t, ImageRows>& images) const;

    const CasePack& pack_;
    std::vector<std::int64_t> runs_;
    std::vector<std::int64_t> lengths_;
    std::vector<std::int64_t> answer_;
    std::int64_t first_;
    std::int64_t width_ = 0;
};

}  // namespace modalconflict
