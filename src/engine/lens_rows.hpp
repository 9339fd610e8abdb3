#pragma once

#include <modalconflict/engine/case_pack.hpp>
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
                const Unembedding& unembedding, bool complete, PackReads& reads);

/// The largest logit's token of each row [rows, d]; -1 where the logits are not finite.
[[nodiscard]] std::vector<std::int64_t> greedy_tokens(const float* hidden, std::int64_t rows, std::int64_t columns,
                                                      const Unembedding& unembedding);

}  // namespace modalconflict
