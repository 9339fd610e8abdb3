#include "lens/gemm_kernels.hpp"

#include <cstdint>
#include <cstring>

// clang spells the region differently; there the portable loops serve.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define MODALCONFLICT_LANES 8
#define MODALCONFLICT_TOKENS 4
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#include "lens/gemm_kernels_loops.hpp"
#pragma GCC pop_options

namespace modalconflict::lens {

const GemmKernels* avx2_gemm_kernels() {
    static constexpr GemmKernels kKernels = kernels_named("avx2");
    const bool supported = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    return supported ? &kKernels : nullptr;
}

}  // namespace modalconflict::lens
#else
namespace modalconflict::lens {

const GemmKernels* avx2_gemm_kernels() { return nullptr; }

}  // namespace modalconflict::lens
#endif
