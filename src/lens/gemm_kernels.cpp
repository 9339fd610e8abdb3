#include "lens/gemm_kernels.hpp"

#include <vector>

namespace modalconflict::lens {

std::span<const GemmKernels* const> available_gemm_kernels() {
    static const std::vector<const GemmKernels*> available = [] {
        std::vector<const GemmKernels*> found;
        for (const GemmKernels* kernels : {portable_gemm_kernels(), avx2_gemm_kernels(), avx512_gemm_kernels()}) {
            if (kernels != nullptr) found.push_back(kernels);
        }
        return found;
    }();
    return available;
}

const GemmKernels& gemm_kernels() { return *available_gemm_kernels().back(); }

}  // namespace modalconflict::lens
