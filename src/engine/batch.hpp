#pragma once

#include "engine/attention_mask.hpp"
#include "engine/decoder.hpp"
#include "engine/plan.hpp"

#include <modalconflict/engine/case_pack.hpp>

#include <cstdint>
#include <map>
#include <vector>

namespace modalconflict {

/// Where each run of a batch stands: one entry a run.
struct BatchRuns {
    std::vector<std::int64_t> runs;     ///< the pack's numbers
    std::vector<std::int64_t> rows;     ///< the batch's row
    std::vector<std::int64_t> places;   ///< the place on the second axis that is read: the answer position's
    std::vector<std::int64_t> lengths;  ///< tokens of the whole prompt
};

/// The states [B, S, d] at the runs' places: [runs, d].
[[nodiscard]] at::Tensor states_at(const at::Tensor& hidden, const BatchRuns& runs);

/// A slice of several runs' prompts, the runs' tokens from place `first` on: one or more runs a row, one after the
/// other, each row padded on the right.
class PromptBatch {
public:
    /// @param last  Where the slice ends; 0: each run's own end.
    PromptBatch(const CasePack& pack, const std::vector<PlannedRow>& rows, std::int64_t first, std::int64_t last = 0);

    /// One run a row.
    PromptBatch(const CasePack& pack, const std::vector<std::int64_t>& runs, std::int64_t first, std::int64_t last);

    [[nodiscard]] std::int64_t rows() const { return rows_; }
    [[nodiscard]] std::int64_t width() const { return width_; }
    [[nodiscard]] std::int64_t first() const { return first_; }
    [[nodiscard]] const BatchRuns& runs() const { return runs_; }
    [[nodiscard]] std::int64_t tokens() const { return tokens_; }  ///< padding not counted

    /// The embedding's output, images put in place of their tokens: [B, S, d].
    [[nodiscard]] at::Tensor embed(const Decoder& decoder, std::int64_t image_token_id,
                                   const std::map<std::int64_t, ImageRows>& images) const;

    /// What is added between layers to the states of the slice's image tokens; nothing where the slice has none.
    [[nodiscard]] std::vector<Injection> injections(const Bundle& bundle,
                                                    const std::map<std::int64_t, ImageRows>& images) const;

    /// [B, S], or [3, B, S] if the model has three rows of positions.
    [[nodiscard]] at::Tensor positions() const;

    /// Of the slice's own places and `first` earlier ones.
    [[nodiscard]] AttentionLayout layout(bool with_image_blocks, std::int64_t image_token_id) const;

    /// The position of the first token behind each run's prompt.
    [[nodiscard]] std::vector<std::int64_t> next_positions() const;

private:
    // The image tokens of one run's slice, by their cells of [B, S], and which of the image's rows the first of them takes.
    struct ImageTokens {
        std::vector<std::int64_t> cells;
        std::int64_t first_row = 0;
    };
    [[nodiscard]] ImageTokens image_tokens(std::size_t i, std::int64_t image_token_id) const;
    [[nodiscard]] const ImageRows& image_of(std::size_t i, const std::map<std::int64_t, ImageRows>& images) const;

    // Calls with (index of the run within the batch, cell within [B, S], place within the run's prompt).
    template <typename Visit>
    void for_each_token(Visit visit) const;

    const CasePack& pack_;
    BatchRuns runs_;
    std::vector<std::int64_t> starts_;  // the place of a run's first token within its row
    std::int64_t rows_;
    std::int64_t first_;
    std::int64_t width_ = 0;
    std::int64_t tokens_ = 0;
};

}  // namespace modalconflict
