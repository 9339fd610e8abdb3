// The loops of RowKernels for one vector width, by the compiler's vector extension. Included once by each
// row_kernels_<set>.cpp, after that file has named its instruction set; everything here has internal linkage,
// so that no function compiled for a wider set can be linked into code that runs on any processor.
// MODALCONFLICT_LANES is the number of floats in a vector.

namespace modalconflict::lens {
namespace {

constexpr int kLanes = MODALCONFLICT_LANES;
using Floats [[gnu::vector_size(kLanes * 4)]] = float;
using Ints [[gnu::vector_size(kLanes * 4)]] = std::int32_t;
using Doubles [[gnu::vector_size(kLanes * 8)]] = double;

static_assert(kChunk % kLanes == 0);

// exp of anything below underflows the normal floats: taken as 0.
constexpr float kLowest = -87.33F;
// float32 partial sums are flushed into float64 this often, so that a long row loses nothing.
constexpr std::int64_t kFlush = 4 * kChunk;

inline Floats splat(float value) { return Floats{} + value; }

inline Floats load(const float* from) {
    Floats vector;
    std::memcpy(&vector, from, sizeof vector);
    return vector;
}

inline void store(float* to, const Floats& vector) { std::memcpy(to, &vector, sizeof vector); }

inline bool any(const Ints& mask) {
    std::int32_t all = 0;
    for (int lane = 0; lane < kLanes; ++lane) all |= mask[lane];
    return all != 0;
}

inline float largest(const Floats& vector) {
    float best = vector[0];
    for (int lane = 1; lane < kLanes; ++lane) best = vector[lane] > best ? vector[lane] : best;
    return best;
}

inline double total(const Doubles& vector) {
    double sum = 0.0;
    for (int lane = 0; lane < kLanes; ++lane) sum += vector[lane];
    return sum;
}

// exp(x) for x <= 0, within 2 units in the last place; 0 below kLowest (−∞ included).
// x = n·ln 2 + r with |r| <= ln(2)/2; the polynomial is that of Cephes (Moshier 1989), expf.
inline Floats exponential(const Floats& x) {
    constexpr float kRound = 12582912.0F;  // 1.5 · 2^23: adding it rounds to an integer, kept in the low bits
    const Floats clamped = x > kLowest ? x : splat(kLowest);
    const Floats shifted = clamped * 1.44269504088896341F + kRound;
    const Floats n = shifted - kRound;
    Floats r = clamped - n * 0.693359375F;
    r = r + n * 2.12194440e-4F;
    Floats p = r * 1.9875691500e-4F + 1.3981999507e-3F;
    p = p * r + 8.3334519073e-3F;
    p = p * r + 4.1665795894e-2F;
    p = p * r + 1.6666665459e-1F;
    p = p * r + 5.0000001201e-1F;
    p = p * (r * r) + r + 1.0F;
    Ints bits;
    std::memcpy(&bits, &shifted, sizeof bits);
    // The low bits of `shifted` are n (its exponent and sign bits fall off the left end).
    const Ints power_bits = (bits << 23) + (127 << 23);
    Floats power;
    std::memcpy(&power, &power_bits, sizeof power);
    return x > kLowest ? p * power : Floats{};
}

void transform(float* z, const float* bias, float scale, float cap, std::int64_t count) {
    const float inverse = cap > 0.0F ? 1.0F / cap : 0.0F;
    for (std::int64_t i = 0; i < count; i += kLanes) {
        Floats value = load(z + i);
        if (bias != nullptr) value += load(bias + i);
        value *= scale;
        if (cap > 0.0F) {
            // tanh|x| = (1 − e^{−2|x|}) / (1 + e^{−2|x|}); the NaN and the sign come back at the end.
            const Floats scaled = value * inverse;
            const Floats magnitude = scaled < 0.0F ? -scaled : scaled;
            const Floats fall = exponential(magnitude * -2.0F);
            const Floats result = cap * ((1.0F - fall) / (1.0F + fall));
            const Floats capped = scaled < 0.0F ? -result : result;
            value = value == value ? capped : value;
        }
        store(z + i, value);
    }
}

float maximum(const float* z, std::int64_t count, float* chunk_maxima) {
    constexpr float kNone = -std::numeric_limits<float>::infinity();
    Ints not_a_number{};
    float best = kNone;
    for (std::int64_t chunk = 0; chunk * kChunk < count; ++chunk) {
        Floats top = splat(kNone);
        for (std::int64_t i = 0; i < kChunk; i += kLanes) {
            const Floats value = load(z + chunk * kChunk + i);
            not_a_number |= value != value;
            top = value > top ? value : top;
        }
        chunk_maxima[chunk] = largest(top);
        best = chunk_maxima[chunk] > best ? chunk_maxima[chunk] : best;
    }
    return any(not_a_number) ? std::numeric_limits<float>::quiet_NaN() : best;
}

enum class Other { none, keep, compare };

template <Other kOther>
inline RowSums walk(const float* z, std::int64_t count, float reference, float* kept, const float* other) {
    Doubles e_total{};
    Doubles de_total{};
    Doubles dde_total{};
    Doubles ee_total{};
    Doubles cross_total{};
    for (std::int64_t start = 0; start < count; start += kFlush) {
        const std::int64_t stop = start + kFlush < count ? start + kFlush : count;
        Floats e_sum{};
        Floats de_sum{};
        Floats dde_sum{};
        Floats ee_sum{};
        Floats cross_sum{};
        for (std::int64_t i = start; i < stop; i += kLanes) {
            const Floats raw = load(z + i) - reference;
            // Below kLowest e is exactly 0; the clamp keeps 0 · −∞ out of the sums.
            const Floats d = raw > kLowest ? raw : splat(kLowest);
            const Floats e = exponential(d);
            const Floats de = d * e;
            e_sum += e;
            de_sum += de;
            dde_sum += d * de;
            ee_sum += e * e;
            if constexpr (kOther == Other::keep) store(kept + i, e);
            if constexpr (kOther == Other::compare) {
                const Floats weight = load(other + i);
                cross_sum += weight > 0.0F ? weight * raw : Floats{};
            }
        }
        e_total += __builtin_convertvector(e_sum, Doubles);
        de_total += __builtin_convertvector(de_sum, Doubles);
        dde_total += __builtin_convertvector(dde_sum, Doubles);
        ee_total += __builtin_convertvector(ee_sum, Doubles);
        if constexpr (kOther == Other::compare) cross_total += __builtin_convertvector(cross_sum, Doubles);
    }
    return {total(e_total), total(de_total), total(dde_total), total(ee_total), total(cross_total)};
}

RowSums sums(const float* z, std::int64_t count, float reference) {
    return walk<Other::none>(z, count, reference, nullptr, nullptr);
}

RowSums sums_keeping(const float* z, std::int64_t count, float reference, float* kept) {
    return walk<Other::keep>(z, count, reference, kept, nullptr);
}

RowSums sums_comparing(const float* z, std::int64_t count, float reference, const float* other) {
    return walk<Other::compare>(z, count, reference, nullptr, other);
}

double power_sum(const float* z, std::int64_t count, float reference, float alpha) {
    Doubles sum{};
    for (std::int64_t start = 0; start < count; start += kFlush) {
        const std::int64_t stop = start + kFlush < count ? start + kFlush : count;
        Floats part{};
        for (std::int64_t i = start; i < stop; i += kLanes) part += exponential((load(z + i) - reference) * alpha);
        sum += __builtin_convertvector(part, Doubles);
    }
    return total(sum);
}

constexpr RowKernels kernels_named(const char* name) {
    return {name, transform, maximum, sums, sums_keeping, sums_comparing, power_sum};
}

}  // namespace
}  // namespace modalconflict::lens
