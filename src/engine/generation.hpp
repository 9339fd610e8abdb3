#pragma once

#include "engine/batch.hpp"
#include "engine/decoder.hpp"
#include "engine/lens_rows.hpp"

#include <modalconflict/engine/hook.hpp>
#include <modalconflict/engine/pack_reads.hpp>

#include <cstdint>
#include <vector>

namespace modalconflict {

/// The greedy answers of one batch, a token a step.
///
/// Several runs of a row go on side by side, each as one query that sees the shared prefix and its own tokens.
class Generation {
public:
    /// @param past  Keys and values of every layer as the prompts left them.
    /// @param reads  Has the first token's choice; takes the answers.
    Generation(const Decoder& decoder, const Bundle& bundle, const PromptBatch& prompts, std::vector<KeyValue> past, int position_dims,
               int max_new_tokens, const std::vector<Hook>& hooks, PackReads& reads);

    /// Enter the newest token of each run, let go of the runs that have ended.
    /// @return Whether any goes on.
    [[nodiscard]] bool advance();

    /// The pass that yields the next tokens' states; valid until advance() is called.
    [[nodiscard]] Pass next_pass();

    /// States of the runs still going, [runs, d] float32 on the CPU, after the pass.
    [[nodiscard]] at::Tensor states() const;

    /// The tokens chosen there.
    void choose(std::vector<GreedyToken> tokens) { tokens_ = std::move(tokens); }

private:
    [[nodiscard]] bool is_stop(std::int64_t token) const;
    void drop_finished_rows();

    const Decoder& decoder_;
    const Bundle& bundle_;
    const std::vector<Hook>& hooks_;
    PackReads& reads_;
    std::vector<KeyValue> past_;
    int position_dims_;
    int max_new_tokens_;
    int step_ = 0;

    BatchRuns going_;                            // `places` are those of the newest token
    std::vector<std::int64_t> numbers_;          // the run's number within its batch, by which its keys know it
    std::vector<std::int64_t> next_positions_;   // of the first generated token
    std::vector<GreedyToken> tokens_;
    std::int64_t rows_;
    std::int64_t keys_;
    std::vector<std::vector<std::int64_t>> key_place_, key_run_;  // a row each
    at::Tensor last_;
};

}  // namespace modalconflict
