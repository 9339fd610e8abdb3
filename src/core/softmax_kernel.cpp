// The inner loops, written once over the compiler's vector types and instantiated for each width the machine may
// have; the widest one is chosen at run time, so that one binary serves every x86-64 and, at 16 bytes, ARM too.
#include "softmax_kernel.hpp"

#include <cstdint>
#include <iterator>
#include <limits>
#include <type_traits>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wpsabi"  // wide vectors never cross a function boundary here: everything is inlined
#endif
#define MODALCONFLICT_INLINE inline __attribute__((always_inline))

namespace modalconflict::kernel {
namespace {

template <class T>
struct ExpConstants;

// exp(d) = 2^n exp(r), n the nearest integer to d / log 2, |r| <= log(2)/2, exp(r) by its Taylor series up to the
// degree whose remainder is below the type's rounding. Adding 1.5·2^(mantissa bits) rounds to an integer that can
// be read off the low bits.
template <>
struct ExpConstants<float> {
    using Int = std::int32_t;
    static constexpr float log2e = 1.44269504F, round = 12582912.0F, ln2_high = 0.693359375F, ln2_low = -2.12194440e-4F;
    static constexpr float cutoff = -87.0F;  // below, the result would not be a normal number: it is taken as zero
    static constexpr Int bias = 127, shift = 23;
    static constexpr float series[] = {1.0F, 1.0F, 1.0F / 2, 1.0F / 6, 1.0F / 24, 1.0F / 120, 1.0F / 720, 1.0F / 5040};
};
template <>
struct ExpConstants<double> {
    using Int = std::int64_t;
    static constexpr double log2e = 1.4426950408889634074, round = 6755399441055744.0;
    static constexpr double ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;
    static constexpr double cutoff = -708.0;
    static constexpr Int bias = 1023, shift = 52;
    static constexpr double series[] = {1.0,           1.0,           1.0 / 2,        1.0 / 6,        1.0 / 24,
                                        1.0 / 120,     1.0 / 720,     1.0 / 5040,     1.0 / 40320,    1.0 / 362880,
                                        1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800.0};
};

template <class T, int Bytes>
struct Simd {
    using C = ExpConstants<T>;
    using Int = typename C::Int;
    typedef T Vector __attribute__((vector_size(Bytes)));
    typedef Int Integers __attribute__((vector_size(Bytes)));
    static constexpr std::size_t kLanes = Bytes / sizeof(T);
    // Partial sums stay in T for this many steps only; above that they are double.
    static constexpr std::size_t kSteps = 8;

    static MODALCONFLICT_INLINE void load(const T* from, Vector& to) { __builtin_memcpy(&to, from, Bytes); }

    static MODALCONFLICT_INLINE void add(const Vector& value, const Vector& max, const Vector& scale, Vector& excess,
                                         Vector& first, Vector& second) {
        const Vector zero = {};
        const Vector cutoff = zero + C::cutoff;
        Vector d = (value - max) * scale;
        d = d < cutoff ? cutoff : d;  // −inf too; a NaN compares false and stays
        const Vector rounded = d * C::log2e + C::round;
        const Vector n = rounded - C::round;
        const Vector r = (d - n * C::ln2_high) - n * C::ln2_low;
        Vector series = zero + C::series[std::size(C::series) - 1];
        for (int k = static_cast<int>(std::size(C::series)) - 2; k >= 0; --k) series = series * r + C::series[k];
        const Vector base = zero + C::round;
        const Integers power = ((Integers)rounded - (Integers)base + C::bias) << C::shift;
        Vector e = series * (Vector)power;
        e = d <= cutoff ? zero : e;
        // The maximum itself is left to the count of ties: what remains keeps its digits however small it is.
        excess += d == zero ? zero : e;
        first += e * d;
        second += e * d * d;
    }

    static MODALCONFLICT_INLINE TileSums sums(const T* values, std::size_t n, T max_value, T scale_value) {
        const Vector zero = {};
        const Vector max = zero + max_value, scale = zero + scale_value;
        double excess[kLanes] = {}, first[kLanes] = {}, second[kLanes] = {};
        std::size_t i = 0;
        Integers ties = {};
        while (i + kLanes <= n) {
            Vector e = {}, u = {}, w = {};
            for (std::size_t step = 0; step < kSteps && i + kLanes <= n; ++step, i += kLanes) {
                Vector value;
                load(values + i, value);
                add(value, max, scale, e, u, w);
                ties -= (Integers)(value == max);
            }
            T lanes_e[kLanes], lanes_u[kLanes], lanes_w[kLanes];
            __builtin_memcpy(lanes_e, &e, Bytes);
            __builtin_memcpy(lanes_u, &u, Bytes);
            __builtin_memcpy(lanes_w, &w, Bytes);
            for (std::size_t lane = 0; lane < kLanes; ++lane) {
                excess[lane] += static_cast<double>(lanes_e[lane]);
                first[lane] += static_cast<double>(lanes_u[lane]);
                second[lane] += static_cast<double>(lanes_w[lane]);
            }
        }
        if (i < n) {
            T rest[kLanes];
            for (std::size_t lane = 0; lane < kLanes; ++lane) {
                rest[lane] = i + lane < n ? values[i + lane] : -std::numeric_limits<T>::infinity();
            }
            Vector value, e = {}, u = {}, w = {};
            load(rest, value);
            add(value, max, scale, e, u, w);
            ties -= (Integers)(value == max);
            for (std::size_t lane = 0; lane < kLanes; ++lane) {
                excess[lane] += static_cast<double>(e[lane]);
                first[lane] += static_cast<double>(u[lane]);
                second[lane] += static_cast<double>(w[lane]);
            }
        }
        TileSums total{-1.0, 0.0, 0.0};
        for (std::size_t lane = 0; lane < kLanes; ++lane) {
            total.excess += static_cast<double>(ties[lane]);
        }
        for (std::size_t lane = 0; lane < kLanes; ++lane) {
            total.excess += excess[lane];
            total.first += first[lane];
            total.second += second[lane];
        }
        return total;
    }

    static MODALCONFLICT_INLINE T maximum(const T* values, std::size_t n) {
        constexpr T lowest = -std::numeric_limits<T>::infinity();
        const Vector zero = {};
        Vector best[4] = {zero + lowest, zero + lowest, zero + lowest, zero + lowest};
        std::size_t i = 0;
        for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
            for (std::size_t part = 0; part < 4; ++part) {
                Vector value;
                load(values + i + part * kLanes, value);
                best[part] = value > best[part] ? value : best[part];
            }
        }
        T largest = lowest;
        for (const Vector& part : best) {
            for (std::size_t lane = 0; lane < kLanes; ++lane) largest = part[lane] > largest ? part[lane] : largest;
        }
        for (; i < n; ++i) largest = values[i] > largest ? values[i] : largest;
        return largest;
    }
};

enum class Width { narrow, avx2, avx512 };

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

Width width() {
    static const Width found = detect();
    return found;
}

#if defined(__x86_64__)
#define MODALCONFLICT_AVX512 __attribute__((target("avx512f,avx512dq,avx512vl,avx2,fma")))
#define MODALCONFLICT_AVX2 __attribute__((target("avx2,fma")))
template <class T>
MODALCONFLICT_AVX512 TileSums sums_avx512(const T* values, std::size_t n, T max, T scale) {
    return Simd<T, 64>::sums(values, n, max, scale);
}
template <class T>
MODALCONFLICT_AVX2 TileSums sums_avx2(const T* values, std::size_t n, T max, T scale) {
    return Simd<T, 32>::sums(values, n, max, scale);
}
template <class T>
MODALCONFLICT_AVX512 T max_avx512(const T* values, std::size_t n) {
    return Simd<T, 64>::maximum(values, n);
}
template <class T>
MODALCONFLICT_AVX2 T max_avx2(const T* values, std::size_t n) {
    return Simd<T, 32>::maximum(values, n);
}
#endif

template <class T>
TileSums sums(const T* values, std::size_t n, T max, T scale) {
#if defined(__x86_64__)
    if (width() == Width::avx512) return sums_avx512<T>(values, n, max, scale);
    if (width() == Width::avx2) return sums_avx2<T>(values, n, max, scale);
#endif
    return Simd<T, 16>::sums(values, n, max, scale);
}

template <class T>
T maximum(const T* values, std::size_t n) {
#if defined(__x86_64__)
    if (width() == Width::avx512) return max_avx512<T>(values, n);
    if (width() == Width::avx2) return max_avx2<T>(values, n);
#endif
    return Simd<T, 16>::maximum(values, n);
}

}  // namespace

float tile_max(const float* values, std::size_t n) { return maximum(values, n); }
double tile_max(const double* values, std::size_t n) { return maximum(values, n); }
TileSums tile_sums(const float* values, std::size_t n, float max, float scale) { return sums(values, n, max, scale); }
TileSums tile_sums(const double* values, std::size_t n, double max, double scale) {
    return sums(values, n, max, scale);
}

}  // namespace modalconflict::kernel
