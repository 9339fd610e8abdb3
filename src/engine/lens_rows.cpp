#include "engine/lens_rows.hpp"

#include <algorithm>
#include <limits>

namespace modalconflict {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr float kNaNf = std::numeric_limits<float>::quiet_NaN();

std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

template <typename From, typename To>
void copy_rows(const std::vector<From>& from, std::int64_t from_row, std::int64_t count, std::vector<To>& to,
               std::int64_t to_row) {
    std::transform(from.begin() + from_row, from.begin() + from_row + count, to.begin() + to_row,
                   [](From value) { return static_cast<To>(value); });
}

}  // namespace

PackReads make_reads(std::int64_t runs, std::int64_t rows, std::int64_t top_k) {
    PackReads reads;
    reads.runs = runs;
    reads.rows = rows;
    reads.top_k = top_k;
    const auto n = index(runs), cells = index(runs * rows), entries = index(runs * rows * top_k);
    for (auto* column : {&reads.entropy, &reads.kl_final}) column->assign(cells, kNaN);
    for (auto* column : {&reads.logit_text, &reads.logit_vision}) column->assign(cells, kNaNf);
    reads.top_ids.assign(entries, -1);
    reads.top_logits.assign(entries, kNaNf);
    for (auto* column : {&reads.max_prob, &reads.margin, &reads.varentropy, &reads.gini, &reads.top_k_entropy,
                         &reads.log_normalizer}) {
        column->assign(n, kNaN);
    }
    reads.answer_ids.resize(n);
    reads.answer_log_probs.resize(n);
    reads.answer_log_prob.assign(n, kNaN);
    reads.answer_stopped.assign(n, 0);
    reads.status.assign(n, "ok");
    return reads;
}

namespace {

// The states [runs, layers, d] with each layer but the model's last moved by its translator.
std::vector<float> translated(const float* hidden, std::int64_t columns, std::int64_t runs, std::int64_t layers, bool complete,
                              const TunedLens& lens) {
    std::vector<float> moved(hidden, hidden + runs * layers * columns);
    for (std::int64_t layer = 0; layer < layers - (complete ? 1 : 0); ++layer) {
        translate(lens, layer, moved.data() + layer * columns, runs, layers * columns);
    }
    return moved;
}

}  // namespace

void read_batch(const float* hidden, std::int64_t columns, std::span<const std::int64_t> runs, const CasePack& pack,
                const Unembedding& unembedding, bool complete, const RunOptions& asked, PackReads& reads) {
    const auto layers = reads.rows;
    const auto total = static_cast<std::int64_t>(runs.size()) * layers;
    std::vector<std::int64_t> final_row, tokens, group_offsets{0}, row_groups;
    for (std::int64_t b = 0; b < static_cast<std::int64_t>(runs.size()); ++b) {
        for (const int which : {0, 1}) {
            const auto variants = pack.run_candidates(runs[index(b)], which);
            tokens.insert(tokens.end(), variants.begin(), variants.end());
            group_offsets.push_back(static_cast<std::int64_t>(tokens.size()));
        }
        for (std::int64_t row = 0; row < layers; ++row) {
            final_row.push_back(complete ? (b + 1) * layers - 1 : -1);
            row_groups.insert(row_groups.end(), {2 * b, 2 * b + 1});
        }
    }
    LensRows rows;
    std::vector<float> moved;
    if (asked.tuned) moved = translated(hidden, columns, static_cast<std::int64_t>(runs.size()), layers, complete, *asked.tuned);
    rows.hidden = asked.tuned ? moved.data() : hidden;
    rows.rows = total;
    rows.columns = columns;
    rows.final_row = final_row;
    rows.tokens = tokens;
    rows.group_offsets = group_offsets;
    rows.row_groups = row_groups;
    rows.groups_per_row = 2;
    LensOptions options;
    options.top_k = static_cast<int>(reads.top_k);
    options.renyi_alphas = asked.renyi_alphas;
    options.tsallis_orders = asked.tsallis_orders;
    const LensReads found = read_lens(rows, unembedding, options);

    for (std::int64_t b = 0; b < static_cast<std::int64_t>(runs.size()); ++b) {
        const auto run = runs[index(b)];
        const auto begin = found.finite.begin() + b * layers;
        const auto broken = std::find(begin, begin + layers, std::uint8_t{0}) - begin;
        if (broken < layers) {
            reads.status[index(run)] = "non-finite logits at layer " + std::to_string(broken) +
                                       (complete && broken == layers - 1 ? " (the last)" : "");
            continue;
        }
        copy_rows(found.entropy, b * layers, layers, reads.entropy, run * layers);
        copy_rows(found.kl_final, b * layers, layers, reads.kl_final, run * layers);
        copy_rows(found.top_ids, b * layers * reads.top_k, layers * reads.top_k, reads.top_ids, run * layers * reads.top_k);
        copy_rows(found.top_logits, b * layers * reads.top_k, layers * reads.top_k, reads.top_logits,
                  run * layers * reads.top_k);
        for (std::int64_t row = 0; row < layers; ++row) {
            reads.logit_text[index(run * layers + row)] = static_cast<float>(found.chosen[index((b * layers + row) * 2)]);
            reads.logit_vision[index(run * layers + row)] = static_cast<float>(found.chosen[index((b * layers + row) * 2 + 1)]);
        }
        if (!complete) continue;
        const auto last = index((b + 1) * layers - 1);
        reads.max_prob[index(run)] = found.one_minus_max[last];
        reads.margin[index(run)] = found.one_minus_margin[last];
        reads.varentropy[index(run)] = found.varentropy[last];
        reads.gini[index(run)] = found.gini[last];
        reads.top_k_entropy[index(run)] = found.top_k_entropy[last];
        reads.log_normalizer[index(run)] = found.log_normalizer[last];
        const auto copy_orders = [&](const std::vector<double>& from, std::size_t orders, std::vector<double>& to) {
            std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(last * orders), orders,
                        to.begin() + static_cast<std::ptrdiff_t>(index(run) * orders));
        };
        copy_orders(found.renyi, asked.renyi_alphas.size(), reads.renyi);
        copy_orders(found.tsallis, asked.tsallis_orders.size(), reads.tsallis);
    }
}

std::vector<GreedyToken> greedy_tokens(const float* hidden, std::int64_t rows, std::int64_t columns,
                                       const Unembedding& unembedding) {
    LensRows states;
    states.hidden = hidden;
    states.rows = rows;
    states.columns = columns;
    LensOptions options;
    options.top_k = 1;
    const LensReads found = read_lens(states, unembedding, options);
    std::vector<GreedyToken> tokens;
    for (std::size_t row = 0; row < index(rows); ++row) {
        tokens.push_back({found.top_ids[row], found.max_logit[row] - found.log_normalizer[row]});
    }
    return tokens;
}

GreedyToken first_token(const PackReads& reads, std::int64_t run) {
    if (reads.status[index(run)] != "ok") return {};
    const auto best = index(((run + 1) * reads.rows - 1) * reads.top_k);
    return {reads.top_ids[best], static_cast<double>(reads.top_logits[best]) - reads.log_normalizer[index(run)]};
}

void clear_run(PackReads& reads, std::int64_t run) {
    reads.status[index(run)] = "ok";
    reads.answer_ids[index(run)].clear();
    reads.answer_log_probs[index(run)].clear();
    reads.answer_log_prob[index(run)] = kNaN;
    reads.answer_stopped[index(run)] = 0;
}

}  // namespace modalconflict
