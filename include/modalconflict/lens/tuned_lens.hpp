#pragma once

#include <modalconflict/lens/unembedding.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>

namespace modalconflict {

/// The tuned lens: an affine translator a layer, h + A h + b, applied to a state before the final norm, so that the
/// unembedding says of a middle layer what it will say of the last one.
///
/// Translator l reads the state after layer l, l = 0 being the embedding's output; the last layer has none.
/// Views only; `storage` keeps what is behind them alive.
///
/// Source: Belrose et al. (2023), Eliciting Latent Predictions from Transformers with the Tuned Lens; the residual form is
/// that of the authors' package.
struct TunedLens {
    std::int64_t layers = 0;
    std::int64_t width = 0;
    MatrixView weight;  ///< the layers' A one below the other: [layers · width, width]
    VectorView bias;    ///< the layers' b one after the other: layers · width values, or none
    std::shared_ptr<const void> storage;

    /// Read a lens that `TunedLens.export_safetensors` (Python) wrote: tensors "weight" [layers, width, width] and "bias"
    /// [layers, width]. The file is mapped, not copied.
    ///
    /// @throws IoError  if the file is missing, malformed or lacks a tensor.
    [[nodiscard]] static TunedLens load(const std::filesystem::path& path);

    /// @throws InvalidArgument  if the views are null or of other sizes than layers and width say.
    void validate() const;
};

/// Translate states of one layer in place, in float32 whatever the lens is stored in.
///
/// @param hidden   count states of `width` floats, each `stride` floats after the one before.
/// @param threads  At most this many of ATen's threads; 0: all of them. The result does not depend on it.
/// @throws InvalidArgument  if the layer has no translator.
void translate(const TunedLens& lens, std::int64_t layer, float* hidden, std::int64_t count, std::int64_t stride, int threads = 0);

}  // namespace modalconflict
