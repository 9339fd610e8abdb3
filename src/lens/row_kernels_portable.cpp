#include "lens/row_kernels.hpp"

#include <cstdint>
#include <cstring>
#include <limits>

// Four floats: a vector that every 64-bit processor has.
#define MODALCONFLICT_LANES 4
#include "lens/row_kernels_loops.hpp"

namespace modalconflict::lens {

const RowKernels* portable_row_kernels() {
    static constexpr RowKernels kKernels = kernels_named("portable");
    return &kKernels;
}

}  // namespace modalconflict::lens
