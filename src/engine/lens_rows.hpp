#pragma once

#include <modalconflict/engine/case_pack.hpp>
#include <modalconflict/engine/model.hpp>
#include <modalconflict/engine/pack_reads.hpp>
#include <modalconflict/lens/lens_kernel.hpp>

#include <cstdint>
#include <span>

namespace modalconflict {

/// Room for the reads of n runs, all NaN or -1 and "ok".
[[nodiscard]] PackReads make_reads(std::int64_t runs, std::int64_t rows, std::int64_t top_k);

/// Read a batch's states [runs, rows, d] through the unembedding into their runs' places.
///
/// @param complete  Whether the last row is the model's last layer: only then is there something to compare with.
void read_batch(const float* hidden, std::int64_t columns, std::span<const std::int64_t> runs, const CasePack& pack,
                const Unembedding& unembedding, bool complete, const RunOptions& options, PackReads& reads);

/// A token chosen greedily.
struct GreedyToken {
    std::int64_t id = -1;   ///< of the largest logit; -1 where the logits are not finite
    double log_prob = 0.0;  ///< nats
};

/// The choice at each row [rows, d].
[[nodiscard]] std::vector<GreedyToken> greedy_tokens(const float* hidden, std::int64_t rows, std::int64_t columns,
                                                     const Unembedding& unembedding);

/// The choice at a run's answer position, which has been read: its answer's first token.
[[nodiscard]] GreedyToken first_token(const PackReads& reads, std::int64_t run);

/// Forget what was read of a run.
void clear_run(PackReads& reads, std::int64_t run);

}  // namespace modalconflict
