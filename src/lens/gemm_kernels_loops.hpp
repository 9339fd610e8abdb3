// The loops of GemmKernels for one vector width, by the compiler's vector extension. Included once by each
// gemm_kernels_<set>.cpp, after that file has named its instruction set; everything here has internal linkage.
// MODALCONFLICT_LANES is the number of floats in a vector, MODALCONFLICT_TOKENS how many tokens' sums fit the
// registers beside most_vectors vectors of rows.

namespace modalconflict::lens {
namespace {

constexpr int kLanes = MODALCONFLICT_LANES;
constexpr int kTokens = MODALCONFLICT_TOKENS;
constexpr std::int64_t kLine = 16;  // steps between two fetches: a cache line of float32
using Floats [[gnu::vector_size(kLanes * 4)]] = float;
using Words [[gnu::vector_size(kLanes * 4)]] = std::uint32_t;
using Halves [[gnu::vector_size(kLanes * 2)]] = std::uint16_t;

// x − 0 is x, whatever x is: the compiler leaves the broadcast alone. (0 + x would turn −0 into 0.)
inline Floats splat(float value) { return value - Floats{}; }

inline Floats load(const float* from) {
    Floats vector;
    std::memcpy(&vector, from, sizeof vector);
    return vector;
}

inline void store(float* to, const Floats& vector) { std::memcpy(to, &vector, sizeof vector); }

template <int T>
inline void fetch(const Ahead& ahead, std::int64_t k) {
    if (ahead.data == nullptr) return;
    const char* place = ahead.data + k * ahead.element_bytes;
#pragma GCC unroll 16
    for (int t = 0; t < T; ++t) __builtin_prefetch(place + t * ahead.row_bytes, 0, 3);
}

// Z vectors of rows against T tokens: Z · T sums live in registers for the whole depth.
template <int Z, int T>
void panel_of(const float* x, const float* w, std::int64_t w_stride, std::int64_t depth, const Ahead& ahead, float* sums,
              std::int64_t sums_stride) {
    Floats sum[Z][T] = {};
    for (std::int64_t start = 0; start < depth; start += kLine) {
        fetch<T>(ahead, start);
        const std::int64_t stop = start + kLine < depth ? start + kLine : depth;
        for (std::int64_t k = start; k < stop; ++k) {
            Floats rows[Z];
#pragma GCC unroll 16
            for (int z = 0; z < Z; ++z) rows[z] = load(x + (k * Z + z) * kLanes);
#pragma GCC unroll 16
            for (int t = 0; t < T; ++t) {
                const Floats weight = splat(w[t * w_stride + k]);
#pragma GCC unroll 16
                for (int z = 0; z < Z; ++z) sum[z][t] += rows[z] * weight;
            }
        }
    }
#pragma GCC unroll 16
    for (int t = 0; t < T; ++t) {
#pragma GCC unroll 16
        for (int z = 0; z < Z; ++z) {
            float* place = sums + t * sums_stride + z * kLanes;
            store(place, load(place) + sum[z][t]);
        }
    }
}

template <int Z>
void panel_with(const float* x, const WeightBlock& w, const Ahead& ahead, float* sums, std::int64_t sums_stride) {
    if (w.tokens == kTokens) {
        panel_of<Z, kTokens>(x, w.data, w.stride, w.depth, ahead, sums, sums_stride);
        return;
    }
    for (std::int64_t t = 0; t < w.tokens; ++t) {
        panel_of<Z, 1>(x, w.data + t * w.stride, w.stride, w.depth, {}, sums + t * sums_stride, sums_stride);
    }
}

void panel(std::int64_t vectors, const float* x, const WeightBlock& w, const Ahead& ahead, float* sums,
           std::int64_t sums_stride) {
    switch (vectors) {
        case 1: panel_with<1>(x, w, ahead, sums, sums_stride); break;
        case 2: panel_with<2>(x, w, ahead, sums, sums_stride); break;
        default: panel_with<3>(x, w, ahead, sums, sums_stride); break;
    }
}

inline float total(const Floats& vector) {
    float sum = 0.0F;
    for (int lane = 0; lane < kLanes; ++lane) sum += vector[lane];
    return sum;
}

// One row against T tokens: vectors along the depth, so that a row that fills no vector wastes none.
template <int T>
void single_of(const float* x, const float* w, std::int64_t w_stride, std::int64_t depth, const Ahead& ahead, float* sums,
               std::int64_t sums_stride) {
    Floats sum[T] = {};
    std::int64_t k = 0;
    for (; k + kLanes <= depth; k += kLanes) {
        if (k % kLine == 0) fetch<T>(ahead, k);
        const Floats row = load(x + k);
#pragma GCC unroll 16
        for (int t = 0; t < T; ++t) sum[t] += row * load(w + t * w_stride + k);
    }
#pragma GCC unroll 16
    for (int t = 0; t < T; ++t) {
        float rest = total(sum[t]);
        for (std::int64_t i = k; i < depth; ++i) rest += x[i] * w[t * w_stride + i];
        sums[t * sums_stride] += rest;
    }
}

void single(const float* x, const WeightBlock& w, const Ahead& ahead, float* sums, std::int64_t sums_stride) {
    if (w.tokens == kTokens) {
        single_of<kTokens>(x, w.data, w.stride, w.depth, ahead, sums, sums_stride);
        return;
    }
    for (std::int64_t t = 0; t < w.tokens; ++t) {
        single_of<1>(x, w.data + t * w.stride, w.stride, w.depth, {}, sums + t * sums_stride, sums_stride);
    }
}

struct FromBfloat16 {
    static Words bits(const Halves& halves) { return __builtin_convertvector(halves, Words) << 16; }
};

// The exponent's bias goes from 15 to 127 by a multiplication, which is exact for subnormals too.
struct FromFloat16 {
    static Words bits(const Halves& halves) {
        const Words half = __builtin_convertvector(halves, Words);
        const Words magnitude = (half & 0x7FFFU) << 13;
        Floats scaled;
        std::memcpy(&scaled, &magnitude, sizeof scaled);
        scaled *= 0x1p112F;
        Words result;
        std::memcpy(&result, &scaled, sizeof result);
        return ((half & 0x7C00U) == 0x7C00U ? (magnitude | 0x7F800000U) : result) | ((half & 0x8000U) << 16);
    }
};

template <typename From>
void widen_from(const char* from, std::int64_t count, float* to) {
    const std::int64_t whole = count / kLanes * kLanes;
    for (std::int64_t i = 0; i < whole; i += kLanes) {
        Halves halves;
        std::memcpy(&halves, from + 2 * i, sizeof halves);
        const Words bits = From::bits(halves);
        std::memcpy(to + i, &bits, sizeof bits);
    }
    if (whole == count) return;
    Halves halves{};
    std::memcpy(&halves, from + 2 * whole, static_cast<std::size_t>(2 * (count - whole)));
    const Words bits = From::bits(halves);
    std::memcpy(to + whole, &bits, static_cast<std::size_t>(4 * (count - whole)));
}

void widen(const void* from, WeightType type, std::int64_t count, float* to) {
    const char* source = static_cast<const char*>(from);
    if (type == WeightType::bfloat16) {
        widen_from<FromBfloat16>(source, count, to);
    } else {
        widen_from<FromFloat16>(source, count, to);
    }
}

constexpr GemmKernels kernels_named(const char* name) { return {name, kLanes, 3, kTokens, panel, single, widen}; }

}  // namespace
}  // namespace modalconflict::lens
