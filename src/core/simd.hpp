#pragma once

// Arithmetic over the compiler's vector types, written once and instantiated for each width the machine may have; the
// widest is chosen at run time, so that one binary serves every x86-64 and, at 16 bytes, ARM too.

#include <cstddef>
#include <cstdint>
#include <iterator>

#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wpsabi"  // wide vectors never cross a function boundary here: everything is inlined
#endif
#define MODALCONFLICT_INLINE inline __attribute__((always_inline))
#if defined(__x86_64__)
#define MODALCONFLICT_AVX512 __attribute__((target("avx512f,avx512dq,avx512vl,avx2,fma")))
#define MODALCONFLICT_AVX2 __attribute__((target("avx2,fma")))
#endif

namespace modalconflict::simd {

enum class Width { narrow, avx2, avx512 };

/// The widest vectors of this machine, found once.
[[nodiscard]] Width width();

// exp(d) = 2^n exp(r), n the nearest integer to d / log 2, |r| <= log(2)/2, exp(r) by a polynomial whose remainder is
// below the type's rounding: for double the Taylor series, for float one of least relative error, 2e-9, fitted on
// that range. Adding 1.5·2^(mantissa bits) rounds to an integer that can be read off the low bits; shifted to the
// exponent's place, where the rest of that constant falls off the end, it multiplies by 2^n in one addition.
template <class T>
struct Constants;
template <>
struct Constants<float> {
    using Int = std::int32_t;
    static constexpr float log2e = 1.44269504F, round = 12582912.0F;
    static constexpr float ln2[] = {0.69314718F};  // n is at most 126: its product with the rounding error is negligible
    static constexpr float cutoff = -87.0F;  // below, the result would not be a normal number: it is taken as zero
    static constexpr Int shift = 23;
    static constexpr float series[] = {1.0F,          1.0F,           0.49999994F,   0.16666432F,
                                       0.041668002F,  0.0083741629F,  0.0013843643F};
};
template <>
struct Constants<double> {
    using Int = std::int64_t;
    static constexpr double log2e = 1.4426950408889634074, round = 6755399441055744.0;
    static constexpr double ln2[] = {6.93147180369123816490e-01, 1.90821492927058770002e-10};
    static constexpr double cutoff = -708.0;
    static constexpr Int shift = 52;
    static constexpr double series[] = {1.0,           1.0,            1.0 / 2,         1.0 / 6,           1.0 / 24,
                                        1.0 / 120,     1.0 / 720,      1.0 / 5040,      1.0 / 40320,       1.0 / 362880,
                                        1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800.0};
};

template <class T, int Bytes>
struct Pack {
    using C = Constants<T>;
    using Int = typename C::Int;
    typedef T Vector __attribute__((vector_size(Bytes)));
    typedef Int Integers __attribute__((vector_size(Bytes)));
    static constexpr std::size_t kLanes = Bytes / sizeof(T);

    static MODALCONFLICT_INLINE void load(const T* from, Vector& to) { __builtin_memcpy(&to, from, Bytes); }
    static MODALCONFLICT_INLINE void store(const Vector& from, T* to) { __builtin_memcpy(to, &from, Bytes); }

    /// exp of d <= 0, exactly zero below the cutoff (where d is set to the cutoff). Of a NaN d stays NaN; the result may not.
    static MODALCONFLICT_INLINE Vector exp_nonpositive(Vector& d) {
        const Vector zero = {};
        const Vector cutoff = zero + C::cutoff;
        const Integers below = d < cutoff;
        d = below ? cutoff : d;
        const Vector rounded = d * C::log2e + C::round;
        const Vector n = rounded - C::round;
        Vector r = d;
        for (const T part : C::ln2) r = r - n * part;
        Vector series = zero + C::series[std::size(C::series) - 1];
        for (int k = static_cast<int>(std::size(C::series)) - 2; k >= 0; --k) series = series * r + C::series[k];
        const Integers bits = (Integers)series + ((Integers)rounded << C::shift);
        const Vector e = (Vector)bits;
        return below ? zero : e;
    }

    /// log of a positive normal double: mantissa within [√½, √2), then the series of 2 artanh((m − 1)/(m + 1)).
    static MODALCONFLICT_INLINE Vector log_positive(const Vector& value) {
        static_assert(sizeof(T) == 8, "the constants here are those of double");
        const Vector zero = {};
        const Integers bits = (Integers)value;
        const Integers mantissa_bits = (bits & 0x000fffffffffffff) | 0x3ff0000000000000;
        Vector mantissa = (Vector)mantissa_bits;
        const Vector root2 = zero + 1.4142135623730951;
        const Integers upper = mantissa > root2;  // −1 where true
        mantissa = upper ? mantissa * 0.5 : mantissa;
        const Integers exponent = (bits >> 52) - 1023 - upper;
        const Vector base = zero + C::round;
        const Vector n = (Vector)((Integers)base + exponent) - C::round;
        const Vector f = (mantissa - 1.0) / (mantissa + 1.0), s = f * f;
        Vector series = zero + 1.0 / 21;
        for (int k = 19; k >= 1; k -= 2) series = series * s + 1.0 / k;
        return n * C::ln2[0] + (2.0 * f * series + n * C::ln2[1]);
    }
};

}  // namespace modalconflict::simd
