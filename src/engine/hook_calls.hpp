#pragma once

#include "engine/batch.hpp"

#include <modalconflict/engine/hook.hpp>

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

namespace modalconflict {

/// @throws InvalidArgument  if a hook has no function, names a layer the model lacks, or lists no positions.
void check_hooks(const std::vector<Hook>& hooks, std::int64_t layers);

/// Whether a hook sees more than the answer position, so that runs may not share their prefixes.
[[nodiscard]] bool needs_whole_prompts(const std::vector<Hook>& hooks);

/// Call the hooks of this layer on a batch.
///
/// @param hidden     [B, S, d]; replaced where a hook wrote.
/// @param runs       Where each run stands. Hooks on other positions than the answer's need one run a row.
/// @param generated  Whether this is a generated token's pass.
void call_hooks(const std::vector<Hook>& hooks, std::int64_t layer, at::Tensor& hidden, const BatchRuns& runs, bool generated);

}  // namespace modalconflict
