#pragma once

#include <modalconflict/lens/unembedding.hpp>

#include <cstdint>
#include <span>

namespace modalconflict::lens {

/// Where the weights lie that are wanted next: fetched into the cache while the present ones are multiplied.
struct Ahead {
    const char* data = nullptr;     ///< null: nothing is fetched
    std::int64_t row_bytes = 0;     ///< from one token's row to the next
    std::int64_t element_bytes = 4;
};

/// `tokens` rows of the matrix as they are multiplied: `depth` float32 numbers each.
struct WeightBlock {
    const float* data;
    std::int64_t stride;  ///< floats from one token's row to the next
    std::int64_t tokens;
    std::int64_t depth;
};

/// The matrix product's inner loops, compiled once an instruction set. Why not a BLAS: with a few dozen rows it spends as
/// long on copying the matrix into its own order as on multiplying, and reads no weights meanwhile. Here the few rows
/// are put in order instead, once, and the matrix streams past them from memory.
struct GemmKernels {
    const char* name;
    std::int64_t lanes;        ///< rows in a vector
    std::int64_t most_vectors; ///< vectors of rows in a panel, at most
    std::int64_t tokens;       ///< tokens that are multiplied at a time

    /// sums[t · sums_stride + r] += Σ_k x[k][r] · w[t][k] for the vectors · lanes rows r of a panel.
    /// @param x  [depth, vectors · lanes]
    void (*panel)(std::int64_t vectors, const float* x, const WeightBlock& w, const Ahead& ahead, float* sums,
                  std::int64_t sums_stride);

    /// sums[t · sums_stride] += Σ_k x[k] · w[t][k] for a single row.
    void (*single)(const float* x, const WeightBlock& w, const Ahead& ahead, float* sums, std::int64_t sums_stride);

    /// to[i] = from[i] in float32, exactly; type is bfloat16 or float16.
    void (*widen)(const void* from, WeightType type, std::int64_t count, float* to);
};

/// The widest instruction set of this machine.
[[nodiscard]] const GemmKernels& gemm_kernels();

/// Every one that this machine can run, the portable one first.
[[nodiscard]] std::span<const GemmKernels* const> available_gemm_kernels();

/// Null where the compiler or the processor cannot.
const GemmKernels* portable_gemm_kernels();
const GemmKernels* avx2_gemm_kernels();
const GemmKernels* avx512_gemm_kernels();

}  // namespace modalconflict::lens
