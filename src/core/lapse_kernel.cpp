#include "lapse_kernel.hpp"

#include "simd.hpp"

namespace modalconflict::kernel {
namespace {

constexpr double kTiniest = 1e-300;  // keeps log and quotients finite where a probability underflows

template <int Bytes>
struct Lapse : simd::Pack<double, Bytes> {
    using Pack = simd::Pack<double, Bytes>;
    using typename Pack::Vector;
    using typename Pack::Integers;
    using Pack::kLanes;
    using Pack::load;

    struct Totals {
        Vector log_likelihood = {}, gradient[4] = {}, information[10] = {};
    };

    template <bool Binary>
    static MODALCONFLICT_INLINE void add(const Vector& x, const Vector& y, const Vector& w, const Vector (&t)[4],
                                         Totals& totals) {
        const Vector zero = {};
        const Vector one = zero + 1.0, tiniest = zero + kTiniest;
        const Vector eta = t[0] + t[1] * x;
        const Vector opposite = -eta;
        const Integers positive = eta >= zero;
        Vector d = positive ? opposite : eta;
        const Vector a = Pack::exp_nonpositive(d);
        // σ(η) and 1 − σ(η), each exact in its own tail.
        const Vector large = one / (one + a), small = a * large;
        const Vector sigma = positive ? large : small, tau = positive ? small : large;
        const Vector span = one - t[2] - t[3];
        Vector p = t[2] + span * sigma, q = t[3] + span * tau;
        p = p < tiniest ? tiniest : p;
        q = q < tiniest ? tiniest : q;
        const Vector inverse = one / (p * q), not_y = one - y;
        const Vector inverse_p = q * inverse, inverse_q = p * inverse;
        const Vector over_p = y * inverse_p, over_q = not_y * inverse_q;
        if constexpr (Binary) {
            const Vector half = zero + 0.5;
            const Vector likelihood = y > half ? p : q;
            totals.log_likelihood += w * Pack::log_positive(likelihood);
        } else {
            totals.log_likelihood += w * (y * Pack::log_positive(p) + not_y * Pack::log_positive(q));
        }
        const Vector first = w * (over_p - over_q), second = w * (over_p * inverse_p + over_q * inverse_q);
        const Vector bell = sigma * tau, da = span * bell;
        totals.gradient[0] += first * da;
        totals.gradient[1] += first * da * x;
        totals.gradient[2] += first * tau;
        totals.gradient[3] -= first * sigma;
        const Vector curvature = second * da * da - first * da * (tau - sigma);
        const Vector mixed_lower = second * da * tau + first * bell;
        const Vector mixed_upper = first * bell - second * da * sigma;
        totals.information[0] += curvature;
        totals.information[1] += curvature * x;
        totals.information[2] += mixed_lower;
        totals.information[3] += mixed_upper;
        totals.information[4] += curvature * x * x;
        totals.information[5] += mixed_lower * x;
        totals.information[6] += mixed_upper * x;
        totals.information[7] += second * tau * tau;
        totals.information[8] -= second * bell;
        totals.information[9] += second * sigma * sigma;
    }

    static MODALCONFLICT_INLINE double total(const Vector& lanes) {
        double sum = 0.0;
        for (std::size_t lane = 0; lane < kLanes; ++lane) sum += lanes[lane];
        return sum;
    }

    template <bool Binary>
    static MODALCONFLICT_INLINE LapseSums sums(const double* x, const double* y, const double* weight, std::size_t n,
                                               const double (&parameters)[4]) {
        const Vector zero = {};
        const Vector t[4] = {zero + parameters[0], zero + parameters[1], zero + parameters[2], zero + parameters[3]};
        Totals totals;
        std::size_t i = 0;
        for (; i + kLanes <= n; i += kLanes) {
            Vector at, answer, w = zero + 1.0;
            load(x + i, at);
            load(y + i, answer);
            if (weight != nullptr) load(weight + i, w);
            add<Binary>(at, answer, w, t, totals);
        }
        if (i < n) {
            // Lanes beyond the end repeat harmless numbers with a weight of zero.
            double rest[3][kLanes] = {};
            for (std::size_t lane = 0; i + lane < n; ++lane) {
                rest[0][lane] = x[i + lane];
                rest[1][lane] = y[i + lane];
                rest[2][lane] = weight != nullptr ? weight[i + lane] : 1.0;
            }
            Vector at, answer, w;
            load(rest[0], at);
            load(rest[1], answer);
            load(rest[2], w);
            add<Binary>(at, answer, w, t, totals);
        }
        LapseSums out;
        out.log_likelihood = total(totals.log_likelihood);
        for (int k = 0; k < 4; ++k) out.gradient[k] = total(totals.gradient[k]);
        for (int k = 0; k < 10; ++k) out.information[k] = total(totals.information[k]);
        return out;
    }
};

#if defined(__x86_64__)
template <bool Binary>
MODALCONFLICT_AVX512 LapseSums sums_avx512(const double* x, const double* y, const double* weight, std::size_t n,
                                           const double (&parameters)[4]) {
    return Lapse<64>::sums<Binary>(x, y, weight, n, parameters);
}
template <bool Binary>
MODALCONFLICT_AVX2 LapseSums sums_avx2(const double* x, const double* y, const double* weight, std::size_t n,
                                       const double (&parameters)[4]) {
    return Lapse<32>::sums<Binary>(x, y, weight, n, parameters);
}
#endif

template <bool Binary>
LapseSums sums(const double* x, const double* y, const double* weight, std::size_t n, const double (&parameters)[4]) {
#if defined(__x86_64__)
    if (simd::width() == simd::Width::avx512) return sums_avx512<Binary>(x, y, weight, n, parameters);
    if (simd::width() == simd::Width::avx2) return sums_avx2<Binary>(x, y, weight, n, parameters);
#endif
    return Lapse<16>::sums<Binary>(x, y, weight, n, parameters);
}

}  // namespace

LapseSums lapse_sums(const double* x, const double* y, const double* weight, std::size_t n, bool binary,
                     const double (&parameters)[4]) {
    return binary ? sums<true>(x, y, weight, n, parameters) : sums<false>(x, y, weight, n, parameters);
}

}  // namespace modalconflict::kernel
