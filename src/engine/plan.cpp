#include "engine/plan.hpp"

#include <algorithm>
#include <map>
#include <tuple>

namespace modalconflict {
namespace {

// A pass of this many tokens keeps every core busy in the matrix products; more only costs memory.
constexpr std::int64_t kMaxPassTokens = 4096;
// From this many tokens on a batch is split rather than padded by more than a quarter.
constexpr std::int64_t kEnoughTokens = 256;
// Shorter texts before an image are not worth a pass of their own.
constexpr std::int64_t kMinTextPrefix = 8;

struct Prefix {
    std::int64_t length = 0;
    std::vector<std::int64_t> runs;
};

std::int64_t length_of(const CasePack& pack, std::int64_t run) {
    return static_cast<std::int64_t>(pack.run_ids(run).size());
}

// The token at a place together with its position: both must agree for the states to be the same.
std::vector<std::int64_t> token_at(const CasePack& pack, std::int64_t run, std::int64_t place) {
    const auto index = static_cast<std::size_t>(pack.offsets[static_cast<std::size_t>(run)] + place);
    std::vector<std::int64_t> token{pack.ids[index]};
    for (int dim = 0; dim < pack.position_dims; ++dim) {
        token.push_back(pack.positions[static_cast<std::size_t>(dim) * pack.ids.size() + index]);
    }
    return token;
}

std::vector<std::int64_t> leading_tokens(const CasePack& pack, std::int64_t run, std::int64_t count) {
    std::vector<std::int64_t> all;
    for (std::int64_t place = 0; place < count; ++place) {
        const auto token = token_at(pack, run, place);
        all.insert(all.end(), token.begin(), token.end());
    }
    return all;
}

std::int64_t common_prefix(const CasePack& pack, const std::vector<std::int64_t>& runs) {
    // Each run keeps one token for its own pass: the answer position is read there.
    std::int64_t length = length_of(pack, runs.front()) - 1;
    for (const auto run : runs) {
        length = std::min(length, length_of(pack, run) - 1);
        std::int64_t same = 0;
        while (same < length && token_at(pack, run, same) == token_at(pack, runs.front(), same)) ++same;
        length = same;
    }
    return length;
}

std::vector<Prefix> find_prefixes(const CasePack& pack, const PlanOptions& options, std::vector<std::int64_t>& alone) {
    using Key = std::pair<std::int64_t, std::vector<std::int64_t>>;
    std::map<Key, std::vector<std::int64_t>> by_image;
    std::map<Key, std::vector<std::int64_t>> by_text;
    std::vector<Prefix> prefixes;
    for (std::int64_t run = 0; run < pack.runs(); ++run) {
        const auto image = image_range(pack, run, options.image_token_id);
        if (!options.share_prefixes || image.first == image.last || image.last >= length_of(pack, run)) {
            alone.push_back(run);
        } else {
            by_image[{pack.image_index[static_cast<std::size_t>(run)], leading_tokens(pack, run, image.last)}].push_back(run);
        }
    }
    for (auto& [key, runs] : by_image) {
        if (runs.size() > 1) {
            prefixes.push_back({common_prefix(pack, runs), runs});
            continue;
        }
        const auto start = image_range(pack, runs.front(), options.image_token_id).first;
        if (start >= kMinTextPrefix) {
            by_text[{start, leading_tokens(pack, runs.front(), start)}].push_back(runs.front());
        } else {
            alone.push_back(runs.front());
        }
    }
    for (auto& [key, runs] : by_text) {
        if (runs.size() > 1) {
            std::sort(runs.begin(), runs.end());
            prefixes.push_back({key.first, runs});
        } else {
            alone.push_back(runs.front());
        }
    }
    std::sort(prefixes.begin(), prefixes.end(), [](const Prefix& a, const Prefix& b) {
        return std::tie(a.length, a.runs.front()) < std::tie(b.length, b.runs.front());
    });
    return prefixes;
}

// Cut (run, prefix row) pairs into batches: by length first, so that little is padded.
std::vector<PlannedBatch> make_batches(const CasePack& pack, const PlanOptions& options, std::int64_t prefix_length,
                                       std::vector<std::pair<std::int64_t, std::int64_t>> rows) {
    const auto suffix = [&](std::int64_t run) { return length_of(pack, run) - prefix_length; };
    std::sort(rows.begin(), rows.end(), [&](const auto& a, const auto& b) {
        return std::pair(suffix(a.first), a.first) < std::pair(suffix(b.first), b.first);
    });
    std::vector<PlannedBatch> batches;
    std::int64_t shortest = 0;
    for (const auto& [run, prefix_row] : rows) {
        const std::int64_t length = suffix(run);
        const auto count = batches.empty() ? 0 : static_cast<std::int64_t>(batches.back().runs.size());
        const auto tokens = (count + 1) * length;
        const auto kv_bytes = (count + 1) * (prefix_length + length + options.max_new_tokens) * options.kv_bytes_per_token;
        const bool too_padded = 4 * length > 5 * shortest + 8 && count * shortest >= kEnoughTokens;
        if (count == 0 || count >= options.batch_size || tokens > kMaxPassTokens || kv_bytes > options.kv_memory_bytes / 2 ||
            too_padded) {
            batches.emplace_back();
            shortest = length;
        }
        batches.back().runs.push_back(run);
        batches.back().prefix_rows.push_back(prefix_row);
    }
    return batches;
}

}  // namespace

TokenRange image_range(const CasePack& pack, std::int64_t run, std::int64_t image_token_id) {
    if (pack.image_index[static_cast<std::size_t>(run)] < 0) return {};
    const auto ids = pack.run_ids(run);
    const auto first = std::find(ids.begin(), ids.end(), image_token_id);
    if (first == ids.end()) return {};
    const auto last = std::find(ids.rbegin(), ids.rend(), image_token_id);
    return {first - ids.begin(), ids.rend() - last};
}

std::vector<PlannedStep> plan_pack(const CasePack& pack, const PlanOptions& options) {
    std::vector<std::int64_t> alone;
    const auto prefixes = find_prefixes(pack, options, alone);
    std::vector<PlannedStep> steps;
    std::vector<std::pair<std::int64_t, std::int64_t>> rows;
    const auto finish_step = [&] {
        if (!rows.empty()) steps.back().batches = make_batches(pack, options, steps.back().prefix_length, rows);
        rows.clear();
    };
    for (const auto& prefix : prefixes) {
        const auto count = steps.empty() ? 0 : static_cast<std::int64_t>(steps.back().prefix_runs.size());
        const auto tokens = (count + 1) * prefix.length;
        if (count == 0 || steps.back().prefix_length != prefix.length || count >= options.batch_size ||
            tokens > kMaxPassTokens || tokens * options.kv_bytes_per_token > options.kv_memory_bytes / 2) {
            finish_step();
            steps.push_back({prefix.length, {}, {}});
        }
        const auto row = static_cast<std::int64_t>(steps.back().prefix_runs.size());
        steps.back().prefix_runs.push_back(prefix.runs.front());
        for (const auto run : prefix.runs) rows.emplace_back(run, row);
    }
    finish_step();
    if (!alone.empty()) {
        steps.push_back({});
        for (const auto run : alone) rows.emplace_back(run, -1);
        finish_step();
    }
    return steps;
}

}  // namespace modalconflict
