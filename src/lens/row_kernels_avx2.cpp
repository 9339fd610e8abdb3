#include "lens/row_kernels.hpp"

#include <cstdint>
#include <cstring>
#include <limits>

// clang spells the region differently; there the portable loops serve.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define MODALCONFLICT_LANES 8
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#include "lens/row_kernels_loops.hpp"
#pragma GCC pop_options

namespace modalconflict::lens {

const RowKernels* avx2_row_kernels() {
    static constexpr RowKernels kKernels = kernels_named("avx2");
    const bool supported = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    return supported ? &kKernels : nullptr;
}

}  // namespace modalconflict::lens
#else
namespace modalconflict::lens {

const RowKernels* avx2_row_kernels() { return nullptr; }

}  // namespace modalconflict::lens
#endif
