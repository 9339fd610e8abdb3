#include "lens/gemm_kernels.hpp"

#include <cstdint>
#include <cstring>

// Four floats: a vector that every 64-bit processor has.
#define MODALCONFLICT_LANES 4
#define MODALCONFLICT_TOKENS 4
#include "lens/gemm_kernels_loops.hpp"

namespace modalconflict::lens {

const GemmKernels* portable_gemm_kernels() {
    static constexpr GemmKernels kKernels = kernels_named("portable");
    return &kKernels;
}

}  // namespace modalconflict::lens
