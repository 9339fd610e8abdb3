#pragma once

#include "engine/attention_mask.hpp"
#include "engine/layer_store.hpp"
#include "engine/memory_budget.hpp"
#include "engine/programs.hpp"

#include <modalconflict/engine/case_pack.hpp>

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

namespace modalconflict {

/// Keys and values of one layer, each [B, kv_heads, P, head_dim].
struct KeyValue {
    at::Tensor keys;
    at::Tensor values;
};

/// What the vision programs make of one image, all [tokens, d] with a row for each of the image's tokens.
struct ImageRows {
    at::Tensor features;               ///< read in place of the image's tokens
    std::vector<at::Tensor> injected;  ///< added between layers, one for each of the bundle's injections
};

/// Rows added to the states behind a layer.
struct Injection {
    std::int64_t layer = 0;  ///< the first layer is 1
    at::Tensor places;       ///< [n], which of the batch's B * S states
    at::Tensor rows;         ///< [n, d]
};

/// One pass of a batch through the layers.
struct Pass {
    at::Tensor hidden;     ///< [B, S, d], the embedding's output
    at::Tensor positions;  ///< [B, S], or [3, B, S]
    AttentionLayout layout;
    std::vector<Injection> injections;

    /// The layer's earlier keys and values, layer counted from 0.
    std::function<KeyValue(std::size_t layer)> past;

    /// Takes the layer's keys and values with this pass's own at their end; empty: they are dropped.
    std::function<void(std::size_t layer, KeyValue)> keep;

    /// Sees, and may replace, the state after the embedding (0) and after each layer (1 ..). False stops the pass.
    std::function<bool(std::int64_t layer, at::Tensor& hidden)> observe;
};

/// A bundle's programs with their weights bound: the model as a machine that takes one step at a time.
class Decoder {
public:
    /// @param memory_limit_bytes  See LoadOptions::memory_limit_bytes.
    Decoder(const Bundle& bundle, at::Device device, std::optional<std::int64_t> memory_limit_bytes);

    [[nodiscard]] const at::Tensor& unembed_weight(const std::string& name) const { return weights_.get(name); }
    [[nodiscard]] at::Device device() const { return device_; }
    [[nodiscard]] std::int64_t embedding_rows() const { return embed_.size(0); }

    /// What the language model reads of each image asked for.
    [[nodiscard]] std::map<std::int64_t, ImageRows> encode_images(const CasePack& pack, std::span<const std::int64_t> images,
                                                                  std::int64_t batch_size) const;

    /// Embedding rows of ids [B, S] (row-major), image tokens included as any other: [B, S, d].
    [[nodiscard]] at::Tensor embed(std::vector<std::int64_t> ids, std::int64_t rows) const;

    /// Takes all passes through a layer before the next one: a layer's weights are then read once for all of them.
    void walk(std::span<const Pass> passes) const;

    /// Keys and values of nothing: [rows, kv_heads, 0, head_dim].
    [[nodiscard]] KeyValue empty_past(std::int64_t rows) const;

    [[nodiscard]] bool sees_image_blocks() const { return sees_image_blocks_; }

    [[nodiscard]] const MemoryBudget& budget() const { return budget_; }

    /// Where layers are streamed, let go of the pages of all that is outside them: they have done their part for now.
    void release_idle() const;

private:
    [[nodiscard]] at::Tensor mask_for(const AttentionLayout& layout, const BundleLayer& layer, std::int64_t rows) const;
    [[nodiscard]] ImageRows encode(const CasePack& pack, std::span<const std::int64_t> images) const;
    void check_unembed(const Bundle& bundle) const;
    [[nodiscard]] ModelBytes model_bytes() const;
    [[nodiscard]] std::vector<std::string> on_host(std::optional<std::int64_t> memory_limit_bytes) const;

    const Bundle& bundle_;
    at::Device device_;
    Weights weights_;
    MemoryBudget budget_;
    ProgramLibrary library_;
    mutable LayerStore layers_;
    at::Tensor embed_;
    std::map<std::string, Program> ropes_;
    Program vision_;
    Program projector_;
    bool sees_image_blocks_ = false;
};

}  // namespace modalconflict
