#include "lens/gemm_kernels.hpp"

#include <cstdint>
#include <cstring>

// clang spells the region differently; there the portable loops serve.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define MODALCONFLICT_LANES 16
#define MODALCONFLICT_TOKENS 8
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma,prefer-vector-width=512")
#include "lens/gemm_kernels_loops.hpp"
#pragma GCC pop_options

namespace modalconflict::lens {

const GemmKernels* avx512_gemm_kernels() {
    static constexpr GemmKernels kKernels = kernels_named("avx512");
    const bool supported = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
    return supported ? &kKernels : nullptr;
}

}  // namespace modalconflict::lens
#else
namespace modalconflict::lens {

const GemmKernels* avx512_gemm_kernels() { return nullptr; }

}  // namespace modalconflict::lens
#endif
