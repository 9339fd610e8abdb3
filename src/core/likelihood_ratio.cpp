#include <modalconflict/core/balance_point.hpp>

#include "checks.hpp"
#include "pava.hpp"

#include <algorithm>
#include <vector>

namespace modalconflict {
namespace {

double bernoulli(double sum, double weight, double value) {
    // 0·log 0 is 0: a block of one outcome only has likelihood one.
    const double ones = sum > 0.0 ? sum * std::log(value) : 0.0;
    const double zeros = weight - sum > 0.0 ? (weight - sum) * std::log1p(-value) : 0.0;
    return ones + zeros;
}

/// Log likelihoods of the monotone fits to growing parts of a sample, clipped at a value.
///
/// One pass of pooling with a stack that remembers the likelihood below each block: entry i belongs to the first
/// i observations. Values fall along the order given, or rise when rising is set.
std::vector<double> partial_likelihoods(const detail::PooledSample& sample, bool from_right, double low, double high) {
    struct Entry {
        double sum, weight, mean, below;  // below: likelihood of the blocks under this one
    };
    const std::size_t n = sample.x.size();
    std::vector<double> likelihood(n + 1, 0.0);
    std::vector<Entry> stack;
    for (std::size_t step = 0; step < n; ++step) {
        const std::size_t i = from_right ? n - 1 - step : step;
        Entry entry{sample.y[i] * sample.weight[i], sample.weight[i], sample.y[i], 0.0};
        // From the left each later value must be smaller; from the right, larger.
        while (!stack.empty() && (from_right ? stack.back().mean >= entry.mean : stack.back().mean <= entry.mean)) {
            entry.sum += stack.back().sum;
            entry.weight += stack.back().weight;
            entry.mean = entry.sum / entry.weight;
            stack.pop_back();
        }
        entry.below = 0.0;
        if (!stack.empty()) {
            const Entry& top = stack.back();
            entry.below = top.below + bernoulli(top.sum, top.weight, std::clamp(top.mean, low, high));
        }
        stack.push_back(entry);
        likelihood[step + 1] = entry.below + bernoulli(entry.sum, entry.weight, std::clamp(entry.mean, low, high));
    }
    return likelihood;
}

struct Quantile {
    double level, value;
};
#include "likelihood_ratio_table.inc"

}  // namespace

LikelihoodRatioProfile crossing_likelihood_ratio(std::span<const double> x, std::span<const double> y,
                                                 double probability) {
    checks::not_empty("x", x.size());
    checks::same_length("y", y.size(), "x", x.size());
    checks::finite("x", x);
    checks::within("y", y, 0.0, 1.0);
    checks::open_unit("probability", probability);
    detail::PooledSample sample = detail::pool(x, y, {});
    const std::size_t n = sample.x.size();
    const double full = partial_likelihoods(sample, false, 0.0, 1.0).back();
    const std::vector<double> left = partial_likelihoods(sample, false, probability, 1.0);
    const std::vector<double> right = partial_likelihoods(sample, true, 0.0, probability);
    LikelihoodRatioProfile profile;
    profile.statistic.resize(n + 1);
    for (std::size_t gap = 0; gap <= n; ++gap) {
        profile.statistic[gap] = std::max(0.0, 2.0 * (full - left[gap] - right[n - gap]));
    }
    profile.x = std::move(sample.x);
    return profile;
}

double likelihood_ratio_quantile(double level) {
    constexpr std::size_t count = std::size(kQuantiles);
    if (!(level >= kQuantiles[0].level && level <= kQuantiles[count - 1].level)) {
        checks::fail("level is ", level, ": the likelihood-ratio interval is tabulated from ", kQuantiles[0].level, " to ",
                     kQuantiles[count - 1].level);
    }
    const auto* right = std::lower_bound(std::begin(kQuantiles), std::end(kQuantiles), level,
                                         [](const Quantile& entry, double value) { return entry.level < value; });
    if (right->level == level) return right->value;
    // The tail falls about exponentially: linear in log(1 − level).
    const auto* left = right - 1;
    const double share = (std::log1p(-level) - std::log1p(-left->level)) /
                         (std::log1p(-right->level) - std::log1p(-left->level));
    return left->value + share * (right->value - left->value);
}

}  // namespace modalconflict
