#pragma once

#include <cstdint>
#include <span>

namespace modalconflict::lens {

/// Rows are walked in whole chunks of this many elements; the caller pads a row's end with −∞, which adds nothing.
inline constexpr std::int64_t kChunk = 64;

[[nodiscard]] constexpr std::int64_t padded(std::int64_t count) { return (count + kChunk - 1) / kChunk * kChunk; }

/// Sums over elements with d = z − reference and e = exp(d).
struct RowSums {
    double e = 0.0;    ///< Σ e
    double de = 0.0;   ///< Σ d·e
    double dde = 0.0;  ///< Σ d²·e
    double ee = 0.0;   ///< Σ e²
    double cross = 0.0;  ///< Σ f·d over another row's exponentials f
};

/// The loops over one row of a tile, compiled once an instruction set. Every pointer has padded(count) elements
/// behind it; `count` below is already padded.
struct RowKernels {
    const char* name;

    /// z = cap · tanh(scale · (z + bias) / cap), without the tanh where cap is 0; bias may be null.
    void (*transform)(float* z, const float* bias, float scale, float cap, std::int64_t count);

    /// The largest element and, a chunk, the chunk's; NaN if any element is NaN.
    float (*maximum)(const float* z, std::int64_t count, float* chunk_maxima);

    /// e, de, dde and ee. An element of −∞, or further than 87 below the reference, adds nothing.
    RowSums (*sums)(const float* z, std::int64_t count, float reference);

    /// The same, and the exponentials are written to `kept`.
    RowSums (*sums_keeping)(const float* z, std::int64_t count, float reference, float* kept);

    /// The same as sums, and cross with another row's exponentials; where those are 0 nothing is added, whatever d is.
    RowSums (*sums_comparing)(const float* z, std::int64_t count, float reference, const float* other);

    /// Σ exp(alpha · (z − reference)) for alpha > 0.
    double (*power_sum)(const float* z, std::int64_t count, float reference, float alpha);
};

/// The widest instruction set of this machine.
[[nodiscard]] const RowKernels& row_kernels();

/// Every one that this machine can run, the portable one first.
[[nodiscard]] std::span<const RowKernels* const> available_row_kernels();

/// Null where the compiler or the processor cannot.
const RowKernels* portable_row_kernels();
const RowKernels* avx2_row_kernels();
const RowKernels* avx512_row_kernels();

}  // namespace modalconflict::lens
