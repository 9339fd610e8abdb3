#pragma once

#include <modalconflict/engine/tensor_view.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace modalconflict {

/// The hidden states that a hook is shown: those of one batch of runs between two layers.
struct HiddenState {
    std::int64_t layer = 0;               ///< 0: the embedding's output; l: the output of layer l (the first layer is 1)
    std::span<const std::int64_t> runs;   ///< [B], the pack's number of each row's run
    std::span<const std::int64_t> lengths;  ///< [B], tokens of each row's prompt; rows are padded on the right

    /// [B, d] for HookPositions::answer; [B, S, d] for all (rows past a run's length are padding);
    /// [B, p, d] for the p listed positions.
    void* data = nullptr;
    DType dtype = DType::float32;
    std::vector<std::int64_t> shape;
    std::string device;             ///< "cpu", or "cuda:0": data is then device memory
    std::shared_ptr<void> storage;  ///< keeps data alive, for a hook that wants to keep it

    [[nodiscard]] TensorView view() const { return {data, dtype, shape}; }
};

/// Which of a prompt's positions a hook is shown.
enum class HookPositions {
    answer,  ///< the last position of the prompt, which predicts the answer's first token
    all,     ///< the whole prompt; runs then share no prefix, each passes through the layers by itself
    listed   ///< Hook::listed; again without a shared prefix
};

/// The layers whose state has a name that matches a shell pattern ("layers.*.h", "layers.[12].h", "embed.h"). The
/// embedding's output is "embed.h" (layer 0), the output of layer l is "layers.l.h", the first layer being 1.
///
/// @param layers  The model's number of layers, Model::bundle().sizes.layers.
/// @throws InvalidArgument  if no name matches.
[[nodiscard]] std::vector<std::int64_t> match_layers(const std::string& pattern, std::int64_t layers);

/// A function called between two layers, which may read the hidden state or replace it (patching, steering).
///
/// Hooks are called in the order given, on the thread that called Model::run, once a batch and layer, during the
/// pass over the prompt and, if wanted, for each generated token. An exception leaves Model::run.
struct Hook {
    /// Returns whether it wrote into the state's data: the next layer then reads what it wrote. A hook that only
    /// reads must leave the data as they are and return false.
    std::function<bool(const HiddenState&)> call;
    std::vector<std::int64_t> layers;  ///< 0 .. layers of the model; empty: every one
    HookPositions positions = HookPositions::answer;
    std::vector<std::int64_t> listed;  ///< token positions; negative ones count from the prompt's end
    bool generated = false;            ///< also called for each generated token, shown as the answer position
};

}  // namespace modalconflict
