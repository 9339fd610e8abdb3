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

    template <bool Binary, bool Likelihood>
    static MODALCONFLICT_INLINE void add(const Vector& x, const Vector& y, const Vector& w, const Vector (&t)[4],
                                         Totals& totals) {
        const Vector zero = {};
        const Vector one = zero + 1.0, tiniest = zero + kTiniest;
        const Vector eta = t[0] + t[1] * x;
        const Vector opposite = -eta;
        const Integers positive = eta >= zero;
        Vector d = positive ? opposite : eta;
        const Vector a = Pack::exp_nonpositive(d);
        // σ(η) and 1 − σ(η), each exact in its own tail, are these two over whole = 1 + exp(−|η|).
        const Vector over = positive ? one : a, under = positive ? a : one, whole = one + a;
        const Vector span = one - t[2] - t[3];
        Vector sigma, tau, first, second;
        if constexpr (Binary) {
            // P of the answer that was given is part / whole; both reciprocals from one division.
            const Vector half = zero + 0.5;
            const Integers is_one = y > half;
            const Vector floor = is_one ? t[2] : t[3], share = is_one ? over : under;
            Vector part = floor * whole + span * share;
            part = part < tiniest ? tiniest : part;
            const Vector both = one / (whole * part);
            const Vector over_whole = part * both, over_answer = whole * whole * both;
            sigma = over * over_whole;
            tau = under * over_whole;
            if constexpr (Likelihood) totals.log_likelihood += w * Pack::log_positive(part * over_whole);
            const Vector weighted = w * over_answer, negative = -weighted;
            first = is_one ? weighted : negative;
            second = weighted * over_answer;
        } else {
            const Vector over_whole = one / whole;
            sigma = over * over_whole;
            tau = under * over_whole;
            Vector p = t[2] + span * sigma, q = t[3] + span * tau;
            p = p < tiniest ? tiniest : p;
            q = q < tiniest ? tiniest : q;
            const Vector inverse = one / (p * q), not_y = one - y;
            const Vector inverse_p = q * inverse, inverse_q = p * inverse;
            const Vector over_p = y * inverse_p, over_q = not_y * inverse_q;
            if constexpr (Likelihood) {
                totals.log_likelihood += w * (y * Pack::log_positive(p) + not_y * Pack::log_positive(q));
            }
            first = w * (over_p - over_q);
            second = w * (over_p * inverse_p + over_q * inverse_q);
        }
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

    template <bool Binary, bool Likelihood>
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
            add<Binary, Likelihood>(at, answer, w, t, totals);
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
            add<Binary, Likelihood>(at, answer, w, t, totals);
        }
        LapseSums out;
        out.log_likelihood = total(totals.log_likelihood);
        for (int k = 0; k < 4; ++k) out.gradient[k] = total(totals.gradient[k]);
        for (int k = 0; k < 10; ++k) out.information[k] = total(totals.information[k]);
        return out;
    }
};

#if defined(__x86_64__)
template <bool Binary, bool Likelihood>
MODALCONFLICT_AVX512 LapseSums sums_avx512(const double* x, const double* y, const double* weight, std::size_t n,
                                           const double (&parameters)[4]) {
    return Lapse<64>::sums<Binary, Likelihood>(x, y, weight, n, parameters);
}
template <bool Binary, bool Likelihood>
MODALCONFLICT_AVX2 LapseSums sums_avx2(const double* x, const double* y, const double* weight, std::size_t n,
                                       const double (&parameters)[4]) {
    return Lapse<32>::sums<Binary, Likelihood>(x, y, weight, n, parameters);
}
#endif

template <bool Binary, bool Likelihood>
LapseSums sums(const double* x, const double* y, const double* weight, std::size_t n, const double (&parameters)[4]) {
#if defined(__x86_64__)
    if (simd::width() == simd::Width::avx512) return sums_avx512<Binary, Likelihood>(x, y, weight, n, parameters);
    if (simd::width() == simd::Width::avx2) return sums_avx2<Binary, Likelihood>(x, y, weight, n, parameters);
#endif
    return Lapse<16>::sums<Binary, Likelihood>(x, y, weight, n, parameters);
}

}  // namespace

LapseSums lapse_sums(const double* x, const double* y, const double* weight, std::size_t n, bool binary,
                     bool likelihood, const double (&parameters)[4]) {
    if (binary) {
        return likelihood ? sums<true, true>(x, y, weight, n, parameters) : sums<true, false>(x, y, weight, n, parameters);
    }
    return likelihood ? sums<false, true>(x, y, weight, n, parameters) : sums<false, false>(x, y, weight, n, parameters);
}

}  // namespace modalconflict::kernel
