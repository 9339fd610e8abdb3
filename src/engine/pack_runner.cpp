#include "engine/pack_runner.hpp"

#include "engine/hook_calls.hpp"
#include "engine/lens_rows.hpp"

#include <modalconflict/error.hpp>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <set>

namespace modalconflict {
namespace {

constexpr int kMaxTopK = 1000;

class Stopwatch {
public:
    [[nodiscard]] double seconds() const {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

void check_range(const char* name, std::int64_t value, std::int64_t low, std::int64_t high) {
    if (value < low || value > high) {
        throw InvalidArgument(std::string(name) + " is " + std::to_string(value) + "; give a value from " +
                              std::to_string(low) + " to " + std::to_string(high));
    }
}

// The rows of the second axis that `places` names, one a row of the batch: [B, d].
at::Tensor rows_at(const at::Tensor& hidden, const std::vector<std::int64_t>& places) {
    const auto rows = at::arange(hidden.size(0), at::kLong).to(hidden.device());
    return at::index(hidden, {rows, at::tensor(places, at::kLong).to(hidden.device())});
}

at::Tensor to_cpu_floats(const at::Tensor& tensor) { return tensor.to(at::kCPU, at::kFloat).contiguous(); }

}  // namespace

PackRunner::PackRunner(const Bundle& bundle, const Decoder& decoder, const Unembedding& unembedding, const CasePack& pack,
                       const RunOptions& options, const std::vector<Hook>& hooks)
    : bundle_(bundle), decoder_(decoder), unembedding_(unembedding), pack_(pack), options_(options), hooks_(hooks),
      last_layer_(options.stop_after_layer.value_or(bundle.sizes.layers)), generating_(!options.stop_after_layer) {
    check_range("top_k", options.top_k, 1, std::min<std::int64_t>(kMaxTopK, bundle.sizes.vocab));
    check_range("max_new_tokens", options.max_new_tokens, 1, 4096);
    check_range("batch_size", options.batch_size, 1, 65536);
    check_range("kv_memory_bytes", options.kv_memory_bytes, 1, INT64_MAX);
    check_range("stop_after_layer", last_layer_, 0, bundle.sizes.layers);
    check_hooks(hooks, bundle.sizes.layers);
    pack.validate();
    check_pack();
}

void PackRunner::check_pack() const {
    const int dims = bundle_.ropes.empty() ? 1 : bundle_.ropes.begin()->second.position_dims;
    if (pack_.position_dims != dims) {
        throw InvalidArgument("pack has " + std::to_string(pack_.position_dims) + " row(s) of positions, the model takes " +
                              std::to_string(dims) + "; prepare it again with this model's bundle");
    }
    for (std::int64_t run = 0; run < pack_.runs(); ++run) {
        const auto ids = pack_.run_ids(run);
        for (std::size_t i = 0; i < ids.size(); ++i) {
            const bool image_token = ids[i] == bundle_.image_token_id;
            if (!image_token && (ids[i] < 0 || ids[i] >= decoder_.embedding_rows())) {
                throw InvalidArgument("run " + std::to_string(run) + " of the pack has token id " + std::to_string(ids[i]) +
                                      " at position " + std::to_string(i) + ", outside the model's vocabulary of " +
                                      std::to_string(decoder_.embedding_rows()) + "; prepare it again with this model's bundle");
            }
        }
        const auto longest = static_cast<std::int64_t>(ids.size()) + (generating_ ? options_.max_new_tokens - 1 : 0);
        if (longest > bundle_.sizes.max_positions) {
            throw InvalidArgument("run " + std::to_string(run) + " of the pack needs " + std::to_string(longest) +
                                  " positions with its answer, the model has " + std::to_string(bundle_.sizes.max_positions) +
                                  "; shorten the prompt or max_new_tokens");
        }
    }
    for (std::size_t i = 0; i < pack_.candidates.size(); ++i) {
        if (pack_.candidates[i] < 0 || pack_.candidates[i] >= bundle_.sizes.vocab) {
            throw InvalidArgument("candidates[" + std::to_string(i) + "] of the pack is " + std::to_string(pack_.candidates[i]) +
                                  ", outside the model's vocabulary of " + std::to_string(bundle_.sizes.vocab) +
                                  "; prepare it again with this model's bundle");
        }
    }
}

// Known only once the images are encoded: each image token takes one row of its image's features.
void PackRunner::check_image_tokens() const {
    for (std::int64_t run = 0; run < pack_.runs(); ++run) {
        const auto ids = pack_.run_ids(run);
        const auto tokens = bundle_.image_token_id < 0 ? 0 : std::count(ids.begin(), ids.end(), bundle_.image_token_id);
        const auto image = pack_.image_index[static_cast<std::size_t>(run)];
        const auto rows = image < 0 ? 0 : images_.at(image).features.size(0);
        if (tokens != rows) {
            throw InvalidArgument("run " + std::to_string(run) + " of the pack has " + std::to_string(tokens) +
                                  " image tokens, but its image gives " + std::to_string(rows) +
                                  " rows; prepare it again with this model's bundle");
        }
    }
}

void PackRunner::encode_images() {
    const Stopwatch watch;
    std::set<std::int64_t> used(pack_.image_index.begin(), pack_.image_index.end());
    used.erase(-1);
    const std::vector<std::int64_t> images(used.begin(), used.end());
    // Vision towers hold more activations a token than the decoder: smaller batches.
    images_ = decoder_.encode_images(pack_, images, std::min(options_.batch_size, 16));
    reads_.stats.images_encoded = static_cast<std::int64_t>(images.size());
    reads_.stats.vision_seconds = watch.seconds();
}

PackReads PackRunner::run() {
    const Stopwatch watch;
    reads_ = make_reads(pack_.runs(), last_layer_ + 1, options_.top_k);
    reads_.stats.prompt_tokens = static_cast<std::int64_t>(pack_.ids.size());
    encode_images();
    check_image_tokens();

    PlanOptions plan;
    plan.image_token_id = bundle_.image_token_id;
    plan.batch_size = options_.batch_size;
    plan.max_new_tokens = options_.max_new_tokens;
    plan.kv_bytes_per_token = 2 * bundle_.sizes.layers * bundle_.sizes.kv_heads * bundle_.sizes.head_dim *
                              static_cast<std::int64_t>(item_size(bundle_.dtype));
    plan.kv_memory_bytes = options_.kv_memory_bytes;
    // A hook on other positions than the answer's may change one run's prefix and not another's.
    plan.share_prefixes = options_.share_prefixes && !needs_whole_prompts(hooks_);
    for (const auto& step : plan_pack(pack_, plan)) run_step(step);
    reads_.stats.seconds = watch.seconds();
    return std::move(reads_);
}

void PackRunner::run_step(const PlannedStep& step) {
    const auto prefixes = step.prefix_length > 0 ? compute_prefixes(step) : std::vector<KeyValue>{};
    for (const auto& batch : step.batches) {
        for (const auto run : batch.runs) {
            reads_.stats.runs_sharing += step.prefix_length > 0;
            reads_.stats.runs_alone += step.prefix_length == 0 && pack_.image_index[static_cast<std::size_t>(run)] >= 0;
        }
        run_batch(step, batch, prefixes);
    }
}

std::vector<KeyValue> PackRunner::compute_prefixes(const PlannedStep& step) {
    const PromptBatch prompts(pack_, step.prefix_runs, 0, step.prefix_length);
    std::vector<KeyValue> computed(static_cast<std::size_t>(bundle_.sizes.layers));
    const KeyValue nothing = decoder_.empty_past(prompts.rows());
    Pass pass;
    pass.hidden = prompts.embed(decoder_, bundle_.image_token_id, images_);
    pass.injections = prompts.injections(bundle_, images_);
    pass.positions = prompts.positions().to(decoder_.device());
    pass.layout = prompts.layout(decoder_.sees_image_blocks(), bundle_.image_token_id);
    pass.past = [&](std::size_t) { return nothing; };
    pass.keep = [&](std::size_t layer, KeyValue state) { computed[layer] = std::move(state); };
    pass.observe = [&](std::int64_t layer, at::Tensor&) { return layer < last_layer_; };
    decoder_.walk(pass);
    reads_.stats.prefix_tokens += prompts.tokens();
    return computed;
}

void PackRunner::run_batch(const PlannedStep& step, const PlannedBatch& batch, const std::vector<KeyValue>& prefixes) {
    const PromptBatch prompts(pack_, batch.runs, step.prefix_length);
    const auto rows = prompts.rows();
    const auto d = bundle_.sizes.hidden;
    const KeyValue nothing = decoder_.empty_past(rows);
    const auto prefix_rows = at::tensor(batch.prefix_rows, at::kLong).to(decoder_.device());
    at::Tensor captured = at::empty({rows, last_layer_ + 1, d}, at::kFloat);
    std::vector<KeyValue> computed(static_cast<std::size_t>(bundle_.sizes.layers));

    Pass pass;
    pass.hidden = prompts.embed(decoder_, bundle_.image_token_id, images_);
    pass.injections = prompts.injections(bundle_, images_);
    pass.positions = prompts.positions().to(decoder_.device());
    pass.layout = prompts.layout(decoder_.sees_image_blocks(), bundle_.image_token_id);
    pass.past = [&](std::size_t layer) {
        if (prefixes.empty()) return nothing;
        return KeyValue{prefixes[layer].keys.index_select(0, prefix_rows), prefixes[layer].values.index_select(0, prefix_rows)};
    };
    if (generating_ && options_.max_new_tokens > 1) {
        pass.keep = [&](std::size_t layer, KeyValue state) { computed[layer] = std::move(state); };
    }
    pass.observe = [&](std::int64_t layer, at::Tensor& hidden) {
        call_hooks(hooks_, layer, hidden, prompts.runs(), prompts.answer(), prompts.lengths(), false);
        captured.select(1, layer).copy_(rows_at(hidden, prompts.answer()));
        return layer < last_layer_;
    };
    decoder_.walk(pass);
    reads_.stats.suffix_tokens += prompts.tokens();
    reads_.stats.padding_tokens += rows * prompts.width() - prompts.tokens();

    const Stopwatch watch;
    read_batch(captured.const_data_ptr<float>(), d, prompts.runs(), pack_, unembedding_, last_layer_ == bundle_.sizes.layers,
               reads_);
    reads_.stats.lens_seconds += watch.seconds();
    if (generating_) generate(prompts, std::move(computed));
}

bool PackRunner::is_stop(std::int64_t token) const {
    return std::find(bundle_.stop_token_ids.begin(), bundle_.stop_token_ids.end(), token) != bundle_.stop_token_ids.end();
}

void PackRunner::generate(const PromptBatch& prompts, std::vector<KeyValue> past) {
    const auto next_positions = prompts.next_positions();
    // For each row of the batch the place of every key, grown by one a step.
    std::vector<std::vector<std::int64_t>> key_places(prompts.runs().size());
    for (std::size_t row = 0; row < key_places.size(); ++row) {
        key_places[row].resize(static_cast<std::size_t>(prompts.first() + prompts.width()), -1);
        std::iota(key_places[row].begin(), key_places[row].begin() + prompts.lengths()[row], 0);
    }
    std::vector<std::int64_t> tokens;   // the newest token of each row still going
    std::vector<std::size_t> going(prompts.runs().size());
    std::iota(going.begin(), going.end(), 0);
    for (const auto run : prompts.runs()) {
        const auto last = static_cast<std::size_t>(((run + 1) * reads_.rows - 1) * reads_.top_k);
        tokens.push_back(reads_.status[static_cast<std::size_t>(run)] == "ok" ? reads_.top_ids[last] : -1);
    }
    for (int step = 1;; ++step) {
        std::vector<std::size_t> still;
        std::vector<std::int64_t> still_tokens, kept;
        for (std::size_t i = 0; i < going.size(); ++i) {
            const auto run = static_cast<std::size_t>(prompts.runs()[going[i]]);
            if (tokens[i] < 0) {
                if (step > 1) reads_.status[run] = "non-finite logits at generated token " + std::to_string(step);
                continue;
            }
            if (is_stop(tokens[i])) {
                reads_.answer_stopped[run] = 1;
                continue;
            }
            reads_.answer_ids[run].push_back(tokens[i]);
            if (step == options_.max_new_tokens) continue;
            still.push_back(going[i]);
            still_tokens.push_back(tokens[i]);
            kept.push_back(static_cast<std::int64_t>(i));
        }
        if (still.empty()) return;
        if (still.size() < going.size()) {
            const auto index = at::tensor(kept, at::kLong).to(decoder_.device());
            for (auto& layer : past) layer = {layer.keys.index_select(0, index), layer.values.index_select(0, index)};
        }
        going = std::move(still);

        const auto rows = static_cast<std::int64_t>(going.size());
        std::vector<std::int64_t> positions, runs, lengths;
        AttentionLayout layout{rows, 1, static_cast<std::int64_t>(key_places[going.front()].size()) + 1, {}, {}, {}, {}};
        for (const auto row : going) {
            const auto place = prompts.lengths()[row] + step - 1;
            key_places[row].push_back(place);
            layout.query_place.push_back(place);
            layout.key_place.insert(layout.key_place.end(), key_places[row].begin(), key_places[row].end());
            positions.push_back(next_positions[row] + step - 1);
            runs.push_back(prompts.runs()[row]);
            lengths.push_back(prompts.lengths()[row]);
        }
        at::Tensor place_tensor = at::tensor(positions, at::kLong).view({rows, 1});
        if (pack_.position_dims > 1) place_tensor = place_tensor.expand({pack_.position_dims, rows, 1}).contiguous();
        const std::vector<std::int64_t> answer(going.size(), 0);
        at::Tensor last;
        Pass pass;
        pass.hidden = decoder_.embed(still_tokens, rows);
        pass.positions = place_tensor.to(decoder_.device());
        pass.layout = std::move(layout);
        pass.past = [&](std::size_t layer) { return past[layer]; };
        pass.keep = [&](std::size_t layer, KeyValue state) { past[layer] = std::move(state); };
        pass.observe = [&](std::int64_t layer, at::Tensor& hidden) {
            call_hooks(hooks_, layer, hidden, runs, answer, lengths, true);
            last = hidden;
            return true;
        };
        decoder_.walk(pass);
        reads_.stats.generated_tokens += rows;
        const at::Tensor states = to_cpu_floats(last.select(1, 0));
        tokens = greedy_tokens(states.const_data_ptr<float>(), rows, bundle_.sizes.hidden, unembedding_);
    }
}

}  // namespace modalconflict
