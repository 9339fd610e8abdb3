#include "engine/hook_calls.hpp"

#include "engine/programs.hpp"

#include <modalconflict/error.hpp>

#include <fnmatch.h>

#include <algorithm>

namespace modalconflict {
namespace {

// Indices on the second axis, [B, p], of the positions a hook lists, negative ones counted from each prompt's end.
at::Tensor listed_positions(const Hook& hook, std::span<const std::int64_t> runs, std::span<const std::int64_t> lengths) {
    std::vector<std::int64_t> places;
    for (std::size_t row = 0; row < runs.size(); ++row) {
        for (const auto position : hook.listed) {
            const auto place = position < 0 ? lengths[row] + position : position;
            if (place < 0 || place >= lengths[row]) {
                throw InvalidArgument("a hook lists position " + std::to_string(position) + ", but run " +
                                      std::to_string(runs[row]) + " has " + std::to_string(lengths[row]) +
                                      " tokens; list positions that every run of the pack has");
            }
            places.push_back(place);
        }
    }
    const auto rows = static_cast<std::int64_t>(runs.size());
    return at::tensor(places, at::kLong).view({rows, static_cast<std::int64_t>(hook.listed.size())});
}

bool call_one(const Hook& hook, std::int64_t layer, const at::Tensor& shown, std::span<const std::int64_t> runs,
              std::span<const std::int64_t> lengths) {
    const auto keep = std::make_shared<at::Tensor>(shown);
    return hook.call(HiddenState{layer, runs, lengths, shown.data_ptr(), dtype_of(shown.scalar_type()), shown.sizes().vec(),
                          shown.device().str(), keep});
}

}  // namespace

std::vector<std::int64_t> match_layers(const std::string& pattern, std::int64_t layers) {
    std::vector<std::int64_t> matching;
    for (std::int64_t layer = 0; layer <= layers; ++layer) {
        const std::string name = layer == 0 ? "embed.h" : "layers." + std::to_string(layer) + ".h";
        if (::fnmatch(pattern.c_str(), name.c_str(), 0) == 0) matching.push_back(layer);
    }
    if (matching.empty()) {
        throw InvalidArgument("no state is named by '" + pattern + "'; the names are embed.h and layers.1.h to layers." +
                              std::to_string(layers) + ".h");
    }
    return matching;
}

void check_hooks(const std::vector<Hook>& hooks, std::int64_t layers) {
    for (std::size_t i = 0; i < hooks.size(); ++i) {
        const std::string which = "hooks[" + std::to_string(i) + "]";
        if (!hooks[i].call) throw InvalidArgument(which + " has no function; give it one");
        for (const auto layer : hooks[i].layers) {
            if (layer < 0 || layer > layers) {
                throw InvalidArgument(which + " names layer " + std::to_string(layer) + "; the model's are 0 (the embedding) to " +
                                      std::to_string(layers));
            }
        }
        if (hooks[i].positions == HookPositions::listed && hooks[i].listed.empty()) {
            throw InvalidArgument(which + " lists no position; list one or choose HookPositions::answer");
        }
    }
}

bool needs_whole_prompts(const std::vector<Hook>& hooks) {
    return std::any_of(hooks.begin(), hooks.end(), [](const Hook& hook) { return hook.positions != HookPositions::answer; });
}

void call_hooks(const std::vector<Hook>& hooks, std::int64_t layer, at::Tensor& hidden, const BatchRuns& runs, bool generated) {
    for (const auto& hook : hooks) {
        if (generated && !hook.generated) continue;
        if (!hook.layers.empty() && std::find(hook.layers.begin(), hook.layers.end(), layer) == hook.layers.end()) continue;
        if (hook.positions == HookPositions::all && !generated) {
            const at::Tensor shown = hidden.contiguous();
            if (call_one(hook, layer, shown, runs.runs, runs.lengths)) hidden = shown;
            continue;
        }
        const bool listed = hook.positions == HookPositions::listed && !generated;
        const at::Tensor rows = at::tensor(runs.rows, at::kLong);
        const at::Tensor places = listed ? listed_positions(hook, runs.runs, runs.lengths) : at::tensor(runs.places, at::kLong);
        const c10::List<std::optional<at::Tensor>> index({(listed ? rows.unsqueeze(1) : rows).to(hidden.device()),
                                                          places.to(hidden.device())});
        const at::Tensor shown = at::index(hidden, index).contiguous();
        // A new tensor: an earlier hook may still hold the old one.
        if (call_one(hook, layer, shown, runs.runs, runs.lengths)) hidden = at::index_put(hidden, index, shown);
    }
}

}  // namespace modalconflict
