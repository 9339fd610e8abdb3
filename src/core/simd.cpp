#include "simd.hpp"

namespace modalconflict::simd {
namespace {

Width detect() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
        return Width::avx512;
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Width::avx2;
#endif
    return Width::narrow;
}

}  // namespace

Width width() {
    static const Width found = detect();
    return found;
}

}  // namespace modalconflict::simd
