#pragma once

#include "engine/batch.hpp"
#include "engine/decoder.hpp"
#include "engine/plan.hpp"

#include <modalconflict/engine/hook.hpp>
#include <modalconflict/engine/model.hpp>
#include <modalconflict/engine/pack_reads.hpp>
#include <modalconflict/lens/unembedding.hpp>

#include <deque>
#include <map>
#include <span>
#include <vector>

namespace modalconflict {

struct BatchWork;
struct StepWork;

/// One call of Model::run: carries the plan out, step by step.
class PackRunner {
public:
    PackRunner(const Bundle& bundle, const Decoder& decoder, const Unembedding& unembedding, const CasePack& pack,
               const RunOptions& options, const std::vector<Hook>& hooks);

    [[nodiscard]] PackReads run();

    /// The smallest memory limit at which this pack could be run.
    [[nodiscard]] std::int64_t least_memory_bytes() const;

private:
    void check_pack() const;
    void check_image_tokens() const;
    void check_memory() const;
    [[nodiscard]] std::int64_t kv_bytes_per_token() const;
    [[nodiscard]] std::int64_t kv_bytes(std::int64_t run) const;
    void encode_images();
    [[nodiscard]] PlanOptions plan_options() const;
    void run_steps(std::span<const PlannedStep> steps);
    [[nodiscard]] Pass prefix_pass(StepWork& step, const PromptBatch& prompts) const;
    [[nodiscard]] Pass batch_pass(StepWork& step, BatchWork& batch) const;
    void read(const BatchWork& batch);
    void generate(std::deque<StepWork>& steps);
    void note_broken_rows(const PlannedBatch& batch);

    const Bundle& bundle_;
    const Decoder& decoder_;
    const Unembedding& unembedding_;
    const CasePack& pack_;
    const RunOptions& options_;
    const std::vector<Hook>& hooks_;
    std::int64_t last_layer_;
    bool generating_;
    std::map<std::int64_t, ImageRows> images_;
    std::vector<std::int64_t> again_;  // runs that stood in one row with a run whose numbers are not finite
    PackReads reads_;
};

}  // namespace modalconflict
