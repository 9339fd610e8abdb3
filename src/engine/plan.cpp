#include "engine/plan.hpp"

#include <algorithm>
#include <map>
#include <tuple>

namespace modalconflict {
namespace {

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

// A row before it is batched.
struct Row {
    PlannedRow row;
    std::int64_t width = 0;
};

// Tokens whose keys and values a row holds at the end.
std::int64_t kv_tokens(std::int64_t prefix_length, std::int64_t width, std::size_t runs, const PlanOptions& options) {
    return prefix_length + width + static_cast<std::int64_t>(runs) * options.max_new_tokens;
}

std::vector<Row> rows_of(const CasePack& pack, const Prefix& prefix, const PlanOptions& options) {
    std::vector<Row> rows;
    for (const auto run : prefix.runs) {
        const auto length = length_of(pack, run) - prefix.length;
        // Side by side, suffixes see each other in vain: worth it while they are short beside what they spare.
        const auto width = rows.empty() ? 0 : rows.back().width + length;
        const bool joins = !rows.empty() && width <= std::min(prefix.length, options.max_pass_tokens) &&
                           kv_tokens(prefix.length, width, rows.back().row.runs.size() + 1, options) * options.kv_bytes_per_token <=
                               options.kv_memory_bytes;
        if (!joins) rows.emplace_back();
        rows.back().row.runs.push_back(run);
        rows.back().width += length;
    }
    return rows;
}

// Cut rows into batches: by width first, so that little is padded.
std::vector<PlannedBatch> make_batches(const PlanOptions& options, std::vector<Row> rows) {
    std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
        return std::pair(a.width, a.row.runs.front()) < std::pair(b.width, b.row.runs.front());
    });
    std::vector<PlannedBatch> batches;
    std::int64_t shortest = 0, count = 0;
    for (auto& [row, width] : rows) {
        const bool too_padded = 4 * width > 5 * shortest + 8 && count * shortest >= kEnoughTokens;
        if (count == 0 || count >= options.batch_size || (count + 1) * width > options.max_pass_tokens || too_padded) {
            batches.emplace_back();
            shortest = width;
            count = 0;
        }
        batches.back().rows.push_back(std::move(row));
        ++count;
    }
    return batches;
}

// Collects rows until a step is full; a prefix whose rows do not fit one step is computed again in the next.
class StepMaker {
public:
    explicit StepMaker(const CasePack& pack, const PlanOptions& options) : pack_(pack), options_(options) {}

    void add(const Prefix& prefix) {
        bool begun = false;
        for (auto& row : rows_of(pack_, prefix, options_)) {
            const auto kv = kv_tokens(prefix.length, row.width, row.row.runs.size(), options_) * options_.kv_bytes_per_token;
            const auto prefixes = static_cast<std::int64_t>(step_.prefix_runs.size()) + (begun ? 0 : 1);
            const bool full = !rows_.empty() &&
                              (prefix.length != step_.prefix_length || prefixes > options_.batch_size ||
                               prefixes * prefix.length > options_.max_pass_tokens || kv > options_.kv_memory_bytes - step_.kv_bytes);
            if (full) {
                finish();
                begun = false;
            }
            step_.prefix_length = prefix.length;
            if (!begun && prefix.length > 0) step_.prefix_runs.push_back(prefix.runs.front());
            begun = true;
            row.row.prefix = static_cast<std::int64_t>(step_.prefix_runs.size()) - 1;
            step_.kv_bytes += kv;
            rows_.push_back(std::move(row));
        }
    }

    [[nodiscard]] std::vector<PlannedStep> take() {
        if (!rows_.empty()) finish();
        return std::move(steps_);
    }

private:
    void finish() {
        step_.batches = make_batches(options_, std::move(rows_));
        steps_.push_back(std::move(step_));
        step_ = {};
        rows_.clear();
    }

    const CasePack& pack_;
    const PlanOptions& options_;
    std::vector<PlannedStep> steps_;
    PlannedStep step_;
    std::vector<Row> rows_;
};

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
    StepMaker maker(pack, options);
    for (const auto& prefix : prefixes) maker.add(prefix);
    if (!alone.empty()) maker.add({0, std::move(alone)});
    return maker.take();
}

}  // namespace modalconflict
