#include <modalconflict/core/monotonicity.hpp>

#include "balance_methods.hpp"
#include "checks.hpp"
#include "pava.hpp"

#include <modalconflict/core/parallel.hpp>
#include <modalconflict/core/random.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

namespace modalconflict {
namespace {

constexpr std::size_t kFewestReplicates = 100;

struct Prepared {
    BinnedMeans bins;
    std::vector<std::size_t> groups;  ///< dense codes
    std::size_t group_count = 0;
};

Prepared prepare(std::span<const double> x, std::span<const double> y, std::span<const std::size_t> groups,
                 const MonotonicityOptions& options) {
    if (options.replicates < kFewestReplicates) {
        checks::fail("replicates is ", options.replicates, ": draw at least ", kFewestReplicates);
    }
    Prepared prepared{bin_means(x, y, options.bins), {}, 0};
    if (groups.empty()) {
        prepared.groups.resize(x.size());
        std::iota(prepared.groups.begin(), prepared.groups.end(), std::size_t{0});
        prepared.group_count = x.size();
    } else {
        checks::same_length("groups", groups.size(), "x", x.size());
        prepared.groups = detail::dense_codes(groups, prepared.group_count);
    }
    if (prepared.group_count < 2) checks::fail("groups names one group only: the test needs at least two");
    return prepared;
}

void fit_blocks(std::span<const double> mean, std::span<const double> count, bool increasing,
                std::vector<detail::Block>& blocks, std::vector<double>& fit) {
    detail::pava(mean, count, increasing, blocks);
    fit.resize(mean.size());
    for (const auto& block : blocks) {
        std::fill(fit.begin() + static_cast<std::ptrdiff_t>(block.begin),
                  fit.begin() + static_cast<std::ptrdiff_t>(block.end), block.mean);
    }
}

double violation_mass(std::span<const double> mean, std::span<const double> fit, std::span<const double> count) {
    double mass = 0.0, total = 0.0;
    for (std::size_t b = 0; b < mean.size(); ++b) {
        mass += count[b] * (mean[b] - fit[b]) * (mean[b] - fit[b]);
        total += count[b];
    }
    return mass / total;
}

/// Σ of residuals of each (group, bin) pair that occurs, ordered by group: all a wild replicate needs.
struct GroupSums {
    std::vector<std::size_t> bin;
    std::vector<double> residual;
    std::vector<std::size_t> begin;  ///< group g owns [begin[g], begin[g + 1])
};

GroupSums sum_residuals(std::span<const double> y, const Prepared& prepared) {
    const std::size_t bins = prepared.bins.mean.size();
    std::vector<std::size_t> order(y.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    const auto key = [&](std::size_t i) { return prepared.groups[i] * bins + prepared.bins.bin_of[i]; };
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return key(a) != key(b) ? key(a) < key(b) : a < b; });
    GroupSums sums;
    sums.begin.assign(prepared.group_count + 1, 0);
    std::size_t last = static_cast<std::size_t>(-1);
    for (const std::size_t i : order) {
        if (key(i) != last) {
            last = key(i);
            sums.bin.push_back(prepared.bins.bin_of[i]);
            sums.residual.push_back(0.0);
            ++sums.begin[prepared.groups[i] + 1];
        }
        sums.residual.back() += y[i] - prepared.bins.mean[prepared.bins.bin_of[i]];
    }
    for (std::size_t g = 0; g < prepared.group_count; ++g) sums.begin[g + 1] += sums.begin[g];
    return sums;
}

/// Variance of the bins' means from the groups' residuals: covariances[b] = Var(mean_b − mean_{b+1}).
std::vector<double> neighbour_variances(const GroupSums& sums, std::span<const double> count) {
    std::vector<double> variance(count.size(), 0.0), own(count.size());
    for (std::size_t g = 0; g + 1 < sums.begin.size(); ++g) {
        std::fill(own.begin(), own.end(), 0.0);
        for (std::size_t k = sums.begin[g]; k < sums.begin[g + 1]; ++k) own[sums.bin[k]] = sums.residual[k] / count[sums.bin[k]];
        for (std::size_t b = 0; b + 1 < own.size(); ++b) variance[b] += (own[b] - own[b + 1]) * (own[b] - own[b + 1]);
    }
    return variance;
}

/// The monotone curve under H₀: neighbours that do not differ beyond their noise are pooled, since chance alone makes a
/// fit fall where the curve is flat, and a sample regenerated from such a fit would violate too little.
std::vector<double> null_curve(const BinnedMeans& bins, std::span<const double> fit, std::span<const double> variance) {
    const double n = std::accumulate(bins.count.begin(), bins.count.end(), 0.0);
    const double tuning = std::sqrt(std::log(std::max(n, 3.0)));
    std::vector<double> curve(fit.size());
    for (std::size_t begin = 0; begin < fit.size();) {
        std::size_t end = begin + 1;
        double sum = bins.count[begin] * bins.mean[begin], weight = bins.count[begin];
        while (end < fit.size() && std::abs(fit[end] - fit[end - 1]) <= tuning * std::sqrt(variance[end - 1])) {
            sum += bins.count[end] * bins.mean[end];
            weight += bins.count[end];
            ++end;
        }
        std::fill(curve.begin() + static_cast<std::ptrdiff_t>(begin), curve.begin() + static_cast<std::ptrdiff_t>(end),
                  sum / weight);
        begin = end;
    }
    return curve;
}

}  // namespace

BinnedMeans bin_means(std::span<const double> x, std::span<const double> y, std::size_t bins) {
    checks::not_empty("x", x.size());
    checks::same_length("y", y.size(), "x", x.size());
    checks::finite("x", x);
    checks::finite("y", y);
    if (bins < 2) checks::fail("bins is ", bins, ": compare at least two");
    std::vector<std::size_t> order(x.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return x[a] != x[b] ? x[a] < x[b] : a < b; });
    if (x[order.front()] == x[order.back()]) checks::fail("x has one distinct value, ", x[0], ": bins need at least two");
    BinnedMeans out;
    out.bin_of.resize(x.size());
    for (std::size_t begin = 0; begin < order.size();) {
        // Quantile of the bin that this observation opens; equal x never part.
        const std::size_t number = begin * bins / order.size();
        std::size_t end = std::max(begin + 1, ((number + 1) * order.size() + bins - 1) / bins);
        while (end < order.size() && x[order[end]] == x[order[end - 1]]) ++end;
        double sum_x = 0.0, sum_y = 0.0;
        for (std::size_t i = begin; i < end; ++i) {
            sum_x += x[order[i]];
            sum_y += y[order[i]];
            out.bin_of[order[i]] = out.mean.size();
        }
        const auto count = static_cast<double>(end - begin);
        out.centre.push_back(sum_x / count);
        out.mean.push_back(sum_y / count);
        out.count.push_back(count);
        begin = end;
    }
    return out;
}

ViolationTest violation_test(std::span<const double> x, std::span<const double> y,
                             std::span<const std::size_t> groups, const MonotonicityOptions& options) {
    const Prepared prepared = prepare(x, y, groups, options);
    const BinnedMeans& bins = prepared.bins;
    std::vector<detail::Block> blocks;
    ViolationTest test;
    fit_blocks(bins.mean, bins.count, options.increasing, blocks, test.fit);
    test.mass = violation_mass(bins.mean, test.fit, bins.count);
    if (!std::isfinite(test.mass)) checks::fail("y is too large for its squares to be summed: rescale it");
    test.centre = bins.centre;
    test.mean = bins.mean;
    test.count = bins.count;
    test.replicates = options.replicates;
    const GroupSums sums = sum_residuals(y, prepared);
    const std::vector<double> null = null_curve(bins, test.fit, neighbour_variances(sums, bins.count));
    std::vector<double> masses(options.replicates);
    parallel_for(options.replicates, options.threads, [&](std::size_t begin, std::size_t end) {
        std::vector<double> mean, fit;
        std::vector<detail::Block> scratch;
        for (std::size_t r = begin; r < end; ++r) {
            CounterRng rng(options.seed, r);
            mean = null;
            for (std::size_t g = 0; g < prepared.group_count; ++g) {
                const double sign = (rng() & 1U) != 0 ? 1.0 : -1.0;
                for (std::size_t k = sums.begin[g]; k < sums.begin[g + 1]; ++k) {
                    mean[sums.bin[k]] += sign * sums.residual[k] / bins.count[sums.bin[k]];
                }
            }
            fit_blocks(mean, bins.count, options.increasing, scratch, fit);
            masses[r] = violation_mass(mean, fit, bins.count);
        }
    });
    // Equal to rounding counts as reached: without any violation p is one.
    const double reached = test.mass - 1e-14;
    const auto count = std::count_if(masses.begin(), masses.end(), [&](double mass) { return mass >= reached; });
    test.p_value = (static_cast<double>(count) + 1.0) / (static_cast<double>(options.replicates) + 1.0);
    return test;
}

TrendTest trend_test(std::span<const double> x, std::span<const double> y, std::span<const std::size_t> groups,
                     const MonotonicityOptions& options) {
    const Prepared prepared = prepare(x, y, groups, options);
    const BinnedMeans& bins = prepared.bins;
    const std::size_t k = bins.mean.size();
    const double n = static_cast<double>(y.size()), mean = std::accumulate(y.begin(), y.end(), 0.0) / n;
    std::vector<detail::Block> blocks;
    std::vector<double> fit;
    fit_blocks(bins.mean, bins.count, options.increasing, blocks, fit);
    TrendTest test;
    double between = 0.0, variance = 0.0, clustered = 0.0, independent = 0.0;
    for (std::size_t b = 0; b < k; ++b) between += bins.count[b] * (fit[b] - mean) * (fit[b] - mean);
    for (const double value : y) variance += (value - mean) * (value - mean) / n;
    // Under a flat curve a bin's mean varies by its groups' summed residuals; the ratio to independence is averaged over bins.
    const GroupSums sums = sum_residuals(y, prepared);
    for (const double residual : sums.residual) clustered += residual * residual;
    for (std::size_t i = 0; i < y.size(); ++i) {
        const double residual = y[i] - bins.mean[bins.bin_of[i]];
        independent += residual * residual;
    }
    test.dispersion = groups.empty() || independent == 0.0 ? 1.0 : std::max(1.0, clustered / independent);
    test.statistic = variance > 0.0 ? between / variance / test.dispersion : 0.0;
    std::vector<std::size_t> levels(options.replicates);
    parallel_for(options.replicates, options.threads, [&](std::size_t begin, std::size_t end) {
        std::vector<double> noise(k);
        std::vector<detail::Block> scratch;
        for (std::size_t r = begin; r < end; ++r) {
            CounterRng rng(options.seed, r);
            for (std::size_t b = 0; b < k; ++b) noise[b] = rng.normal() / std::sqrt(bins.count[b]);
            detail::pava(noise, bins.count, options.increasing, scratch);
            levels[r] = scratch.size();
        }
    });
    test.level_probabilities.assign(k, 0.0);
    for (const std::size_t level : levels) {
        test.level_probabilities[level - 1] += 1.0 / static_cast<double>(options.replicates);
    }
    test.p_value = 0.0;
    for (std::size_t level = 1; level <= k; ++level) {
        const double tail = level == 1 ? (test.statistic <= 0.0 ? 1.0 : 0.0)
                                       : chi_square_survival(test.statistic, static_cast<unsigned>(level - 1));
        test.p_value += test.level_probabilities[level - 1] * tail;
    }
    test.p_value = std::min(test.p_value, 1.0);
    return test;
}

double spearman(std::span<const double> x, std::span<const double> y) {
    checks::not_empty("x", x.size());
    checks::same_length("y", y.size(), "x", x.size());
    checks::finite("x", x);
    checks::finite("y", y);
    const auto ranks = [](std::span<const double> values) {
        std::vector<std::size_t> order(values.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
        std::vector<double> rank(values.size());
        for (std::size_t begin = 0; begin < order.size();) {
            std::size_t end = begin + 1;
            while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
            for (std::size_t i = begin; i < end; ++i) rank[order[i]] = 0.5 * static_cast<double>(begin + end - 1);
            begin = end;
        }
        return rank;
    };
    const std::vector<double> a = ranks(x), b = ranks(y);
    const double mean = 0.5 * static_cast<double>(x.size() - 1);
    double ab = 0.0, aa = 0.0, bb = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        ab += (a[i] - mean) * (b[i] - mean);
        aa += (a[i] - mean) * (a[i] - mean);
        bb += (b[i] - mean) * (b[i] - mean);
    }
    return aa > 0.0 && bb > 0.0 ? ab / std::sqrt(aa * bb) : std::numeric_limits<double>::quiet_NaN();
}

double chi_square_survival(double value, unsigned degrees) {
    if (std::isnan(value)) checks::fail("value is nan: give a number");
    if (degrees == 0) checks::fail("degrees is 0: give at least one degree of freedom");
    if (value <= 0.0) return 1.0;
    // Two degrees at a time from the closed forms for one and two.
    const double half = 0.5 * value;
    double survival = degrees % 2 == 1 ? std::erfc(std::sqrt(half)) : std::exp(-half);
    double term = degrees % 2 == 1 ? std::sqrt(half) * std::exp(-half) * 2.0 / std::sqrt(std::numbers::pi)
                                   : half * std::exp(-half);
    for (unsigned nu = degrees % 2 == 1 ? 3 : 4; nu <= degrees; nu += 2) {
        survival += term;
        term *= half / (0.5 * nu);
    }
    return std::min(survival, 1.0);
}

}  // namespace modalconflict
