#pragma once

#include <modalconflict/engine/case_pack.hpp>

#include <cstdint>
#include <vector>

namespace modalconflict {

/// What the order of work depends on besides the pack.
struct PlanOptions {
    std::int64_t image_token_id = -1;
    std::int64_t batch_size = 64;
    std::int64_t max_new_tokens = 8;
    std::int64_t kv_bytes_per_token = 0;  ///< keys and values of all layers for one token
    std::int64_t kv_memory_bytes = std::int64_t{2} << 30;

    /// Most tokens in one pass through a layer, unless one prompt alone is longer. The default keeps every core busy
    /// in the matrix products; more only costs memory.
    std::int64_t max_pass_tokens = 4096;
    bool share_prefixes = true;
};

/// One row of a batch: runs whose suffixes stand one after the other behind one copy of their shared prefix. Each
/// sees the prefix and itself alone.
struct PlannedRow {
    std::int64_t prefix = -1;  ///< the row of the step's prefixes they start from; -1: none
    std::vector<std::int64_t> runs;
};

/// Rows that pass through the layers together, padded on the right to the longest.
struct PlannedBatch {
    std::vector<PlannedRow> rows;
};

/// Prefixes of one length, computed together, and the batches that start from them.
struct PlannedStep {
    std::int64_t prefix_length = 0;          ///< 0: the runs of this step share nothing
    std::vector<std::int64_t> prefix_runs;   ///< for each prefix a run that begins with it
    std::vector<PlannedBatch> batches;
    std::int64_t kv_bytes = 0;               ///< keys and values of all its rows, their answers included
};

/// Group a pack's runs by what they share, and batch them.
///
/// Runs with one image and the same tokens up to the image's end share their longest common token prefix. Of the
/// others, runs with the same tokens before their images share those (the text stands first). Suffixes much
/// shorter than their prefix are put side by side in one row, so that the prefix's keys and values are not copied
/// for each. The result depends on the arguments alone.
[[nodiscard]] std::vector<PlannedStep> plan_pack(const CasePack& pack, const PlanOptions& options);

/// Token positions of a run's image: [first, last); an empty range if it has none.
struct TokenRange {
    std::int64_t first = 0;
    std::int64_t last = 0;
};
[[nodiscard]] TokenRange image_range(const CasePack& pack, std::int64_t run, std::int64_t image_token_id);

}  // namespace modalconflict
