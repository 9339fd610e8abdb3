#include "softmax_kernel.hpp"

#include "simd.hpp"

#include <limits>

namespace modalconflict::kernel {
namespace {

template <class T, int Bytes>
struct Tile : simd::Pack<T, Bytes> {
    using Pack = simd::Pack<T, Bytes>;
    using typename Pack::Vector;
    using typename Pack::Integers;
    using Pack::kLanes;
    using Pack::load;
    using Pack::store;
    // Partial sums stay in T for this many steps only; above that they are double.
    static constexpr std::size_t kSteps = 16;

    static MODALCONFLICT_INLINE void add(const Vector& value, const Vector& max, const Vector& scale, Vector& excess,
                                         Vector& first, Vector& second) {
        const Vector zero = {};
        Vector d = (value - max) * scale;
        const Vector e = Pack::exp_nonpositive(d);
        // The maximum itself is left to the count of ties: what remains keeps its digits however small it is.
        excess += value == max ? zero : e;
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
                // The next tile comes into the cache while this one is summed; beyond the last one nothing happens.
                __builtin_prefetch(values + i + kTileValues<T>);
                add(value, max, scale, e, u, w);
                ties -= (Integers)(value == max);
            }
            T lanes_e[kLanes], lanes_u[kLanes], lanes_w[kLanes];
            store(e, lanes_e);
            store(u, lanes_u);
            store(w, lanes_w);
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

#if defined(__x86_64__)
template <class T>
MODALCONFLICT_AVX512 TileSums sums_avx512(const T* values, std::size_t n, T max, T scale) {
    return Tile<T, 64>::sums(values, n, max, scale);
}
template <class T>
MODALCONFLICT_AVX2 TileSums sums_avx2(const T* values, std::size_t n, T max, T scale) {
    return Tile<T, 32>::sums(values, n, max, scale);
}
template <class T>
MODALCONFLICT_AVX512 T max_avx512(const T* values, std::size_t n) {
    return Tile<T, 64>::maximum(values, n);
}
template <class T>
MODALCONFLICT_AVX2 T max_avx2(const T* values, std::size_t n) {
    return Tile<T, 32>::maximum(values, n);
}
#endif

template <class T>
TileSums sums(const T* values, std::size_t n, T max, T scale) {
#if defined(__x86_64__)
    if (simd::width() == simd::Width::avx512) return sums_avx512<T>(values, n, max, scale);
    if (simd::width() == simd::Width::avx2) return sums_avx2<T>(values, n, max, scale);
#endif
    return Tile<T, 16>::sums(values, n, max, scale);
}

template <class T>
T maximum(const T* values, std::size_t n) {
#if defined(__x86_64__)
    if (simd::width() == simd::Width::avx512) return max_avx512<T>(values, n);
    if (simd::width() == simd::Width::avx2) return max_avx2<T>(values, n);
#endif
    return Tile<T, 16>::maximum(values, n);
}

}  // namespace

float tile_max(const float* values, std::size_t n) { return maximum(values, n); }
double tile_max(const double* values, std::size_t n) { return maximum(values, n); }
TileSums tile_sums(const float* values, std::size_t n, float max, float scale) { return sums(values, n, max, scale); }
TileSums tile_sums(const double* values, std::size_t n, double max, double scale) {
    return sums(values, n, max, scale);
}

}  // namespace modalconflict::kernel
