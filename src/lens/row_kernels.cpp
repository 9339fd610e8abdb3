#include "lens/row_kernels.hpp"

#include <vector>

namespace modalconflict::lens {

std::span<const RowKernels* const> available_row_kernels() {
    static const std::vector<const RowKernels*> available = [] {
        std::vector<const RowKernels*> found;
        for (const RowKernels* kernels : {portable_row_kernels(), avx2_row_kernels(), avx512_row_kernels()}) {
            if (kernels != nullptr) found.push_back(kernels);
        }
        return found;
    }();
    return available;
}

const RowKernels& row_kernels() { return *available_row_kernels().back(); }

}  // namespace modalconflict::lens
