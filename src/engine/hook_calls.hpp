#pragma once

#include <modalconflict/engine/hook.hpp>

#include <ATen/ATen.h>

#include <cstdint>
#include <span>
#include <vector>

namespace modalconflict {

/// @throws InvalidArgument  if a hook has no function, names a layer the model lacks, or lists no positions.
void check_hooks(const std::vector<Hook>& hooks, std::int64_t layers);

/// Whether a hook sees more than the answer position, so that runs may not share their prefixes.
[[nodiscard]] bool needs_whole_prompts(const std::vector<Hook>& hooks);

/// Call the hooks of this layer on a batch.
///
/// @param hidden     [B, S, d]; replaced where a hook wrote.
/// @param answer     [B], the answer position's index on the second axis.
/// @param lengths    [B], tokens of each run's prompt.
/// @param generated  Whether this is a generated token's pass.
void call_hooks(const std::vector<Hook>& hooks, std::int64_t layer, at::Tensor& hidden, std::span<const std::int64_t> runs,
                std::span<const std::int64_t> answer, std::span<const std::int64_t> lengths, bool generated);

}  // namespace modalconflict
