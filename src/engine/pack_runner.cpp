#include "engine/pack_runner.hpp"

#include "engine/generation.hpp"
#include "engine/hook_calls.hpp"
#include "engine/lens_rows.hpp"

#include <modalconflict/error.hpp>

#include <algorithm>
#include <chrono>
#include <limits>
#include <set>

namespace modalconflict {
namespace {

constexpr int kMaxTopK = 1000;

// Tokens of a prefix that pass together. A mask hides the keys behind a query but their products are computed all the
// same: in chunks, nearly half of them are not.
constexpr std::int64_t kPrefixChunk = 512;

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

// The prefixes' rows that a batch's rows start from: no copy where they are a range of them.
KeyValue rows_of(const KeyValue& prefixes, const std::vector<PlannedRow>& rows, const at::Tensor& chosen) {
    const auto first = rows.front().prefix, count = static_cast<std::int64_t>(rows.size());
    bool range = true;
    for (std::int64_t i = 0; i < count; ++i) range = range && rows[static_cast<std::size_t>(i)].prefix == first + i;
    if (range) return {prefixes.keys.narrow(0, first, count), prefixes.values.narrow(0, first, count)};
    return {prefixes.keys.index_select(0, chosen), prefixes.values.index_select(0, chosen)};
}

void check_tuned(const TunedLens& lens, const BundleSizes& sizes) {
    lens.validate();
    if (lens.layers != sizes.layers || lens.width != sizes.hidden) {
        throw InvalidArgument("the tuned lens has " + std::to_string(lens.layers) + " layers of width " +
                              std::to_string(lens.width) + ", the model " + std::to_string(sizes.layers) + " of width " +
                              std::to_string(sizes.hidden) + "; use the lens that was trained for this model");
    }
}

}  // namespace

// A batch on its way: what its pass leaves behind.
struct BatchWork {
    const PlannedBatch& plan;
    PromptBatch prompts;
    at::Tensor prefix_rows;            // on the device
    std::vector<at::Tensor> states;    // [runs, d] a layer, at the answer positions
    std::vector<KeyValue> computed;    // a layer, if answers are to be generated
};

struct StepWork {
    const PlannedStep& plan;
    std::deque<PromptBatch> prefixes;  // one chunk of them after the other
    KeyValue prefix_state;             // of the layer at hand
    std::deque<BatchWork> batches;
};

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
    if (options.tuned) check_tuned(*options.tuned, bundle.sizes);
    pack.validate();
    check_pack();
    check_memory();
}

void PackRunner::check_pack() const {
    if (!pack_.preparation_sha256.empty() && pack_.preparation_sha256 != bundle_.preparation_sha256) {
        throw InvalidArgument("pack was prepared for another model's bundle (" + pack_.preparation_sha256.substr(0, 8) + ", not " +
                              bundle_.preparation_sha256.substr(0, 8) + "); prepare it again with this model's bundle");
    }
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

std::int64_t PackRunner::kv_bytes_per_token() const {
    return 2 * bundle_.sizes.layers * bundle_.sizes.kv_heads * bundle_.sizes.head_dim *
           static_cast<std::int64_t>(item_size(bundle_.dtype));
}

std::int64_t PackRunner::kv_bytes(std::int64_t run) const {
    return (static_cast<std::int64_t>(pack_.run_ids(run).size()) + options_.max_new_tokens) * kv_bytes_per_token();
}

// The run that needs most speaks for all: the limit its message names suffices for the pack.
void PackRunner::check_memory() const {
    std::int64_t longest = 0;
    for (std::int64_t run = 1; run < pack_.runs(); ++run) {
        if (pack_.run_ids(run).size() > pack_.run_ids(longest).size()) longest = run;
    }
    if (pack_.runs() == 0) return;
    decoder_.budget().check(longest, static_cast<std::int64_t>(pack_.run_ids(longest).size()), kv_bytes(longest));
}

std::int64_t PackRunner::least_memory_bytes() const {
    std::int64_t least = 0;
    for (std::int64_t run = 0; run < pack_.runs(); ++run) {
        least = std::max(least, decoder_.budget().least(static_cast<std::int64_t>(pack_.run_ids(run).size()), kv_bytes(run)));
    }
    return least;
}

void PackRunner::encode_images() {
    const Stopwatch watch;
    std::set<std::int64_t> used(pack_.image_index.begin(), pack_.image_index.end());
    used.erase(-1);
    const std::vector<std::int64_t> images(used.begin(), used.end());
    // Vision towers hold more activations a token than the decoder: smaller batches.
    const int at_once = decoder_.budget().limited() ? 1 : 16;
    images_ = decoder_.encode_images(pack_, images, std::min(options_.batch_size, at_once));
    decoder_.release_idle();
    reads_.stats.images_encoded = static_cast<std::int64_t>(images.size());
    reads_.stats.vision_seconds = watch.seconds();
}

PackReads PackRunner::run() {
    const Stopwatch watch;
    reads_ = make_reads(pack_.runs(), last_layer_ + 1, options_.top_k);
    const auto runs = static_cast<std::size_t>(pack_.runs());
    reads_.renyi.assign(runs * options_.renyi_alphas.size(), std::numeric_limits<double>::quiet_NaN());
    reads_.tsallis.assign(runs * options_.tsallis_orders.size(), std::numeric_limits<double>::quiet_NaN());
    reads_.stats.prompt_tokens = static_cast<std::int64_t>(pack_.ids.size());
    encode_images();
    check_image_tokens();

    const auto plan = plan_options();
    const auto steps = plan_pack(pack_, plan);
    for (std::size_t begin = 0; begin < steps.size();) {
        std::size_t end = begin + 1;
        // Streamed layers are read once for all the steps whose keys and values fit into memory together.
        auto kv = steps[begin].kv_bytes;
        while (decoder_.budget().streams() && end < steps.size() && kv + steps[end].kv_bytes <= plan.kv_memory_bytes) {
            kv += steps[end++].kv_bytes;
        }
        run_steps(std::span(steps).subspan(begin, end - begin));
        begin = end;
    }
    if (!again_.empty()) {
        PlannedStep alone;
        for (const auto run : again_) alone.batches.push_back({{{-1, {run}}}});
        run_steps({&alone, 1});
    }
    reads_.stats.seconds = watch.seconds();
    return std::move(reads_);
}

PlanOptions PackRunner::plan_options() const {
    PlanOptions plan;
    plan.image_token_id = bundle_.image_token_id;
    plan.batch_size = options_.batch_size;
    plan.max_new_tokens = options_.max_new_tokens;
    plan.kv_bytes_per_token = kv_bytes_per_token();
    plan.kv_memory_bytes = decoder_.budget().kv_bytes(options_.kv_memory_bytes);
    plan.max_pass_tokens = decoder_.budget().pass_tokens(plan.max_pass_tokens);
    // A hook on other positions than the answer's may change one run's prefix and not another's.
    plan.share_prefixes = options_.share_prefixes && !needs_whole_prompts(hooks_);
    return plan;
}

void PackRunner::run_steps(std::span<const PlannedStep> steps) {
    std::deque<StepWork> works;
    std::vector<Pass> passes;
    for (const auto& step : steps) {
        auto& work = works.emplace_back(StepWork{step, {}, {}, {}});
        const auto chunk = decoder_.sees_image_blocks() ? step.prefix_length : kPrefixChunk;
        for (std::int64_t first = 0; first < step.prefix_length; first += chunk) {
            work.prefixes.emplace_back(pack_, step.prefix_runs, first, std::min(first + chunk, step.prefix_length));
            passes.push_back(prefix_pass(work, work.prefixes.back()));
        }
        for (const auto& batch : step.batches) {
            work.batches.push_back({batch, PromptBatch(pack_, batch.rows, step.prefix_length), {}, {}, {}});
            passes.push_back(batch_pass(work, work.batches.back()));
        }
    }
    decoder_.release_idle();
    decoder_.walk(passes);
    passes.clear();
    for (auto& step : works) {
        step.prefix_state = {};
        for (const auto& prompts : step.prefixes) reads_.stats.prefix_tokens += prompts.tokens();
        for (auto& batch : step.batches) {
            read(batch);
            batch.states.clear();
        }
    }
    decoder_.release_idle();
    if (generating_) generate(works);
    for (const auto& step : works) {
        for (const auto& batch : step.batches) note_broken_rows(batch.plan);
    }
}

Pass PackRunner::prefix_pass(StepWork& step, const PromptBatch& prompts) const {
    Pass pass;
    pass.hidden = prompts.embed(decoder_, bundle_.image_token_id, images_);
    pass.injections = prompts.injections(bundle_, images_);
    pass.positions = prompts.positions().to(decoder_.device());
    pass.layout = prompts.layout(decoder_.sees_image_blocks(), bundle_.image_token_id);
    if (prompts.first() == 0) {
        pass.past = [nothing = decoder_.empty_past(prompts.rows())](std::size_t) { return nothing; };
    } else {
        pass.past = [&step](std::size_t) { return step.prefix_state; };  // of the chunk before, at this layer
    }
    pass.keep = [&step](std::size_t, KeyValue state) { step.prefix_state = std::move(state); };
    pass.observe = [this](std::int64_t layer, at::Tensor&) { return layer < last_layer_; };
    return pass;
}

Pass PackRunner::batch_pass(StepWork& step, BatchWork& batch) const {
    const auto& prompts = batch.prompts;
    Pass pass;
    pass.hidden = prompts.embed(decoder_, bundle_.image_token_id, images_);
    pass.injections = prompts.injections(bundle_, images_);
    pass.positions = prompts.positions().to(decoder_.device());
    pass.layout = prompts.layout(decoder_.sees_image_blocks(), bundle_.image_token_id);
    if (!step.prefixes.empty()) {
        std::vector<std::int64_t> chosen;
        for (const auto& row : batch.plan.rows) chosen.push_back(row.prefix);
        batch.prefix_rows = at::tensor(chosen, at::kLong).to(decoder_.device());
        pass.past = [&](std::size_t) { return rows_of(step.prefix_state, batch.plan.rows, batch.prefix_rows); };
    } else {
        pass.past = [nothing = decoder_.empty_past(prompts.rows())](std::size_t) { return nothing; };
    }
    if (generating_ && options_.max_new_tokens > 1) {
        batch.computed.resize(static_cast<std::size_t>(bundle_.sizes.layers));
        pass.keep = [&](std::size_t layer, KeyValue state) { batch.computed[layer] = std::move(state); };
    }
    pass.observe = [&](std::int64_t layer, at::Tensor& hidden) {
        call_hooks(hooks_, layer, hidden, batch.prompts.runs(), false);
        batch.states.push_back(states_at(hidden, batch.prompts.runs()));
        return layer < last_layer_;
    };
    return pass;
}

void PackRunner::read(const BatchWork& batch) {
    const auto& prompts = batch.prompts;
    auto& stats = reads_.stats;
    stats.suffix_tokens += prompts.tokens();
    stats.padding_tokens += prompts.rows() * prompts.width() - prompts.tokens();
    for (const auto run : prompts.runs().runs) {
        stats.runs_sharing += prompts.first() > 0;
        stats.runs_alone += prompts.first() == 0 && pack_.image_index[static_cast<std::size_t>(run)] >= 0;
    }
    const Stopwatch watch;
    const at::Tensor states = at::stack(batch.states, 1).to(at::kCPU, at::kFloat).contiguous();
    read_batch(states.const_data_ptr<float>(), bundle_.sizes.hidden, prompts.runs().runs, pack_, unembedding_,
               last_layer_ == bundle_.sizes.layers, options_, reads_);
    stats.lens_seconds += watch.seconds();
}

void PackRunner::generate(std::deque<StepWork>& steps) {
    std::deque<Generation> generations;
    for (auto& step : steps) {
        for (auto& batch : step.batches) {
            generations.emplace_back(decoder_, bundle_, batch.prompts, std::move(batch.computed), pack_.position_dims,
                                     options_.max_new_tokens, hooks_, reads_);
        }
    }
    for (;;) {
        std::vector<Generation*> going;
        std::vector<Pass> passes;
        for (auto& generation : generations) {
            if (!generation.advance()) continue;
            going.push_back(&generation);
            passes.push_back(generation.next_pass());
        }
        if (going.empty()) return;
        decoder_.walk(passes);
        std::vector<at::Tensor> states;
        for (const auto* generation : going) states.push_back(generation->states());
        const at::Tensor joined = at::cat(states, 0);
        const auto tokens = greedy_tokens(joined.const_data_ptr<float>(), joined.size(0), bundle_.sizes.hidden, unembedding_);
        decoder_.release_idle();
        auto next = tokens.begin();
        for (std::size_t i = 0; i < going.size(); ++i) {
            const auto end = next + states[i].size(0);
            going[i]->choose({next, end});
            next = end;
        }
    }
}

// Not a number times an attention weight of zero is not a number: one such run spoils those beside it in its row.
void PackRunner::note_broken_rows(const PlannedBatch& batch) {
    for (const auto& row : batch.rows) {
        const bool broken = std::any_of(row.runs.begin(), row.runs.end(), [&](std::int64_t run) {
            return reads_.status[static_cast<std::size_t>(run)] != "ok";
        });
        if (row.runs.size() < 2 || !broken) continue;
        for (const auto run : row.runs) clear_run(reads_, run);
        again_.insert(again_.end(), row.runs.begin(), row.runs.end());
    }
}

}  // namespace modalconflict
