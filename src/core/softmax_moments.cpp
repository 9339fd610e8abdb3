#include <modalconflict/core/softmax_moments.hpp>

#include "checks.hpp"
#include "softmax_kernel.hpp"

#include <algorithm>

namespace modalconflict {
namespace {

template <class T>
[[noreturn]] void report_bad(std::span<const T> logits) {
    for (std::size_t i = 0; i < logits.size(); ++i) {
        const double value = static_cast<double>(logits[i]);
        if (std::isnan(value) || value == std::numeric_limits<double>::infinity()) {
            checks::fail("logits[", i, "] is ", value, ": a logit is a number or -inf");
        }
    }
    checks::fail("logits are all -inf: at least one token needs a finite logit");
}

template <class T>
SoftmaxMoments moments(std::span<const T> logits, double scale) {
    checks::not_empty("logits", logits.size());
    if (!(scale > 0.0) || !std::isfinite(scale)) {
        checks::fail("scale is ", scale, ": the inverse temperature is a finite positive number");
    }
    SoftmaxMoments total;
    for (std::size_t begin = 0; begin < logits.size(); begin += kernel::kTileValues<T>) {
        const std::size_t n = std::min(kernel::kTileValues<T>, logits.size() - begin);
        const T* tile = logits.data() + begin;
        const T max = kernel::tile_max(tile, n);
        if (max == std::numeric_limits<T>::infinity()) report_bad(logits);
        if (max == -std::numeric_limits<T>::infinity()) {
            if (std::any_of(tile, tile + n, [](T value) { return std::isnan(value); })) report_bad(logits);
            continue;
        }
        const kernel::TileSums sums = kernel::tile_sums(tile, n, max, static_cast<T>(scale));
        if (std::isnan(sums.first)) report_bad(logits);
        total.merge({scale * static_cast<double>(max), sums.excess, sums.first, sums.second});
    }
    if (total.excess < 0.0) report_bad(logits);
    return total;
}

}  // namespace

void SoftmaxMoments::merge(const SoftmaxMoments& other) {
    if (other.excess < 0.0) return;
    if (excess < 0.0) {
        *this = other;
        return;
    }
    const bool ours = max >= other.max;
    const SoftmaxMoments high = ours ? *this : other, low = ours ? other : *this;
    const double shift = low.max - high.max, factor = std::exp(shift), sum_low = low.sum();
    max = high.max;
    excess = high.excess + factor * sum_low;
    // A factor of zero with a huge shift must not become 0·inf.
    if (factor > 0.0) {
        first = high.first + factor * (low.first + shift * sum_low);
        second = high.second + factor * (low.second + 2.0 * shift * low.first + shift * shift * sum_low);
    } else {
        first = high.first;
        second = high.second;
    }
}

double SoftmaxMoments::log_sum_exp() const { return max + std::log1p(excess); }

double SoftmaxMoments::entropy() const { return std::log1p(excess) - first / sum(); }

double SoftmaxMoments::varentropy() const {
    const double mean = first / sum();
    return std::max(0.0, second / sum() - mean * mean);
}

SoftmaxMoments softmax_moments(std::span<const float> logits, double scale) { return moments(logits, scale); }
SoftmaxMoments softmax_moments(std::span<const double> logits, double scale) { return moments(logits, scale); }

}  // namespace modalconflict
