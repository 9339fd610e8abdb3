#pragma once

#include <cstdint>
#include <optional>

namespace modalconflict {

/// How the numbers behind a view are stored. Whatever the storage, the lens accumulates in float32.
enum class WeightType { float32, bfloat16, float16 };

/// A matrix that somebody else owns, row after row (a memory-mapped safetensors tensor, for instance).
struct MatrixView {
    const void* data = nullptr;
    WeightType type = WeightType::float32;
    std::int64_t rows = 0;
    std::int64_t columns = 0;
};

/// A vector that somebody else owns; data == nullptr says that there is none.
struct VectorView {
    const void* data = nullptr;
    WeightType type = WeightType::float32;
    std::int64_t size = 0;
};

/// The normalisation between the last layer and the unembedding matrix, over the last axis of a row x of width d.
///
///   rms:   x / sqrt(mean(x²) + eps) · (weight + offset)
///   layer: (x − mean) / sqrt(var + eps) · (weight + offset) + bias
///
/// Sources: Zhang & Sennrich (2019), Root Mean Square Layer Normalization; Ba et al. (2016), Layer Normalization.
struct FinalNorm {
    enum class Kind { none, rms, layer };

    Kind kind = Kind::none;
    VectorView weight;    ///< d values; none: ones (and offset must be 0)
    VectorView bias;      ///< d values, layer norm only; none: zeros
    double eps = 1e-6;
    double offset = 0.0;  ///< added to the weight: 1 in models that store weight − 1
};

/// How a hidden state becomes logits over the vocabulary: z = cap(scale · (W_U · norm(h) + bias)),
/// where cap(z) = softcap · tanh(z / softcap), or z where there is no softcap.
/// Views only: the memory behind them must outlive every read.
struct Unembedding {
    MatrixView weight;              ///< W_U, [vocabulary, hidden]
    VectorView bias;                ///< one value a token, or none
    double scale = 1.0;
    std::optional<double> softcap;  ///< > 0
    FinalNorm norm;
};

}  // namespace modalconflict
