#include "engine/generation.hpp"

#include "engine/hook_calls.hpp"

#include <algorithm>
#include <numeric>

namespace modalconflict {
namespace {

std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

template <typename T>
void keep_only(std::vector<T>& values, const std::vector<std::size_t>& kept) {
    std::vector<T> chosen;
    for (const auto i : kept) chosen.push_back(std::move(values[i]));
    values = std::move(chosen);
}

}  // namespace

Generation::Generation(const Decoder& decoder, const Bundle& bundle, const PromptBatch& prompts, std::vector<KeyValue> past,
                       int position_dims, int max_new_tokens, const std::vector<Hook>& hooks, PackReads& reads)
    : decoder_(decoder), bundle_(bundle), hooks_(hooks), reads_(reads), past_(std::move(past)), position_dims_(position_dims),
      max_new_tokens_(max_new_tokens), going_(prompts.runs()), next_positions_(prompts.next_positions()), rows_(prompts.rows()),
      keys_(prompts.first() + prompts.width()) {
    const auto runs = going_.runs.size();
    numbers_.resize(runs);
    std::iota(numbers_.begin(), numbers_.end(), 0);
    std::vector<std::int64_t> prefix(index(prompts.first()));
    std::iota(prefix.begin(), prefix.end(), 0);
    prefix.resize(index(keys_), -1);
    key_place_.assign(index(rows_), prefix);
    key_run_.assign(index(rows_), std::vector<std::int64_t>(index(keys_), -1));
    for (std::size_t i = 0; i < runs; ++i) {
        const auto row = index(going_.rows[i]);
        const auto end = index(prompts.first() + going_.places[i] + 1);
        const auto own = index(going_.lengths[i] - prompts.first());
        for (std::size_t k = 0; k < own; ++k) {
            key_place_[row][end - own + k] = prompts.first() + static_cast<std::int64_t>(k);
            key_run_[row][end - own + k] = numbers_[i];
        }
        tokens_.push_back(first_token(reads, going_.runs[i]));
    }
}

bool Generation::is_stop(std::int64_t token) const {
    return std::find(bundle_.stop_token_ids.begin(), bundle_.stop_token_ids.end(), token) != bundle_.stop_token_ids.end();
}

bool Generation::advance() {
    ++step_;
    std::vector<std::size_t> still;
    for (std::size_t i = 0; i < going_.runs.size(); ++i) {
        const auto run = index(going_.runs[i]);
        if (tokens_[i].id < 0) {
            if (step_ > 1) reads_.status[run] = "non-finite logits at generated token " + std::to_string(step_);
            continue;
        }
        if (step_ == 1) reads_.answer_log_prob[run] = 0.0;
        if (is_stop(tokens_[i].id)) {
            reads_.answer_stopped[run] = 1;
            continue;
        }
        reads_.answer_ids[run].push_back(tokens_[i].id);
        reads_.answer_log_probs[run].push_back(tokens_[i].log_prob);
        reads_.answer_log_prob[run] += tokens_[i].log_prob;
        if (step_ < max_new_tokens_) still.push_back(i);
    }
    for (auto* column : {&going_.runs, &going_.rows, &going_.lengths, &numbers_, &next_positions_}) keep_only(*column, still);
    keep_only(tokens_, still);
    if (still.empty()) {
        past_.clear();
        return false;
    }
    drop_finished_rows();
    return true;
}

void Generation::drop_finished_rows() {
    std::vector<std::int64_t> kept;  // in order: runs stand row by row
    for (const auto row : going_.rows) {
        if (kept.empty() || kept.back() != row) kept.push_back(row);
    }
    if (static_cast<std::int64_t>(kept.size()) == rows_) return;
    const auto chosen = at::tensor(kept, at::kLong).to(decoder_.device());
    for (auto& layer : past_) layer = {layer.keys.index_select(0, chosen), layer.values.index_select(0, chosen)};
    const std::vector<std::size_t> rows(kept.begin(), kept.end());
    keep_only(key_place_, rows);
    keep_only(key_run_, rows);
    for (auto& row : going_.rows) row = std::lower_bound(kept.begin(), kept.end(), row) - kept.begin();
    rows_ = static_cast<std::int64_t>(kept.size());
}

Pass Generation::next_pass() {
    going_.places.clear();
    std::vector<std::int64_t> taken(index(rows_), 0);
    for (const auto row : going_.rows) going_.places.push_back(taken[index(row)]++);
    const auto width = *std::max_element(taken.begin(), taken.end());
    keys_ += width;

    // Rows with fewer runs are padded: a query that is not read, a key that nobody sees.
    const auto cells = index(rows_ * width);
    std::vector<std::int64_t> ids(cells, tokens_.front().id), positions(cells, 0);
    AttentionLayout layout;
    layout.rows = rows_;
    layout.queries = width;
    layout.keys = keys_;
    layout.query_place.assign(cells, 0);
    layout.query_run.assign(cells, -1);
    for (std::size_t row = 0; row < index(rows_); ++row) {
        key_place_[row].resize(index(keys_), -1);
        key_run_[row].resize(index(keys_), -1);
    }
    for (std::size_t i = 0; i < going_.runs.size(); ++i) {
        const auto row = index(going_.rows[i]);
        const auto cell = index(going_.rows[i] * width + going_.places[i]);
        const auto key = index(keys_ - width + going_.places[i]);
        ids[cell] = tokens_[i].id;
        positions[cell] = next_positions_[i] + step_ - 1;
        layout.query_place[cell] = key_place_[row][key] = going_.lengths[i] + step_ - 1;
        layout.query_run[cell] = key_run_[row][key] = numbers_[i];
    }
    for (std::size_t row = 0; row < index(rows_); ++row) {
        layout.key_place.insert(layout.key_place.end(), key_place_[row].begin(), key_place_[row].end());
        layout.key_run.insert(layout.key_run.end(), key_run_[row].begin(), key_run_[row].end());
    }
    at::Tensor place_tensor = at::tensor(positions, at::kLong).view({rows_, width});
    if (position_dims_ > 1) place_tensor = place_tensor.expand({position_dims_, rows_, width}).contiguous();

    Pass pass;
    pass.hidden = decoder_.embed(std::move(ids), rows_);
    pass.positions = place_tensor.to(decoder_.device());
    pass.layout = std::move(layout);
    pass.past = [this](std::size_t layer) { return past_[layer]; };
    pass.keep = [this](std::size_t layer, KeyValue state) { past_[layer] = std::move(state); };
    pass.observe = [this](std::int64_t layer, at::Tensor& hidden) {
        call_hooks(hooks_, layer, hidden, going_, true);
        last_ = hidden;
        return true;
    };
    reads_.stats.generated_tokens += static_cast<std::int64_t>(going_.runs.size());
    return pass;
}

at::Tensor Generation::states() const { return states_at(last_, going_).to(at::kCPU, at::kFloat).contiguous(); }

}  // namespace modalconflict
