#pragma once

#include "engine/batch.hpp"
#include "engine/decoder.hpp"
#include "engine/plan.hpp"

#include <modalconflict/engine/hook.hpp>
#include <modalconflict/engine/model.hpp>
#include <modalconflict/engine/pack_reads.hpp>
#include <modalconflict/lens/unembedding.hpp>

#include <map>
#include <vector>

namespace modalconflict {

/// One call of Model::run: carries the plan out, step by step.
class PackRunner {
public:
    PackRunner(const Bundle& bundle, const Decoder& decoder, const Unembedding& unembedding, const CasePack& pack,
               const RunOptions& options, const std::vector<Hook>& hooks);

    [[nodiscard]] PackReads run();

private:
    void check_pack() const;
    void check_image_tokens() const;
    void encode_images();
    void run_step(const PlannedStep& step);
    [[nodiscard]] std::vector<KeyValue> compute_prefixes(const PlannedStep& step);
    void run_batch(const PlannedStep& step, const PlannedBatch& batch, const std::vector<KeyValue>& prefixes);
    void generate(const PromptBatch& prompts, std::vector<KeyValue> past);

    [[nodiscard]] bool is_stop(std::int64_t token) const;

    const Bundle& bundle_;
    const Decoder& decoder_;
    const Unembedding& unembedding_;
    const CasePack& pack_;
    const RunOptions& options_;
    const std::vector<Hook>& hooks_;
    std::int64_t last_layer_;
    bool generating_;
    std::map<std::int64_t, ImageRows> images_;
    PackReads reads_;
};

}  // namespace modalconflict
