#include "balance_methods.hpp"
#include "intervals.hpp"
#include "lapse_logistic.hpp"
#include "standardised.hpp"

#include <Eigen/LU>

#include <modalconflict/core/parallel.hpp>
#include <modalconflict/core/random.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace modalconflict::detail {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kReplicateTolerance = 1e-7;  // in log likelihood; far below a replicate's own scatter
constexpr std::size_t kFewGroups = 20;

/// Observations laid out group by group, so that a replicate is a copy of contiguous stretches.
struct GroupedSample {
    std::vector<double> x, y;          ///< x in standard units
    std::vector<std::size_t> begin;    ///< group g is [begin[g], begin[g + 1])
    std::vector<double> ones;          ///< Σ y of each group
};

GroupedSample arrange(std::span<const double> z, std::span<const double> y, std::span<const std::size_t> groups,
                      std::size_t count) {
    GroupedSample sample;
    const std::size_t n = z.size();
    sample.begin.assign(count + 1, 0);
    sample.ones.assign(count, 0.0);
    const auto group_of = [&](std::size_t i) { return groups.empty() ? i : groups[i]; };
    for (std::size_t i = 0; i < n; ++i) ++sample.begin[group_of(i) + 1];
    for (std::size_t g = 0; g < count; ++g) sample.begin[g + 1] += sample.begin[g];
    std::vector<std::size_t> next(sample.begin.begin(), sample.begin.end() - 1);
    sample.x.resize(n);
    sample.y.resize(n);
    for (std::size_t i = 0; i < n; ++i) {
        const std::size_t at = next[group_of(i)]++;
        sample.x[at] = z[i];
        sample.y[at] = y[i];
        sample.ones[group_of(i)] += y[i];
    }
    return sample;
}

/// Where the curve crosses one half within [low, high]; −inf below one half throughout, +inf above.
double extended_crossing(const LapseParameters& parameters, double low, double high) {
    const double at = crossing(parameters, 0.5);
    if (at >= low && at <= high) return at;
    const double middle = parameters[1] == 0.0 ? parameters[0] : parameters[0] + parameters[1] * 0.5 * (low + high);
    const double p = parameters[2] + (1.0 - parameters[2] - parameters[3]) / (1.0 + std::exp(-middle));
    return p > 0.5 ? kInfinity : -kInfinity;
}

double replicate(const GroupedSample& sample, const LapseParameters& start, const LapseBounds& bounds,
                 const BalanceOptions& options, std::uint64_t number, bool binary, double low, double high) {
    const std::size_t groups = sample.begin.size() - 1;
    CounterRng rng(options.seed, number);
    std::vector<std::uint32_t> drawn(groups, 0);
    for (std::size_t draw = 0; draw < groups; ++draw) ++drawn[rng.below(static_cast<std::uint32_t>(groups))];
    std::vector<double> x, y, weight;
    x.reserve(sample.x.size());
    y.reserve(sample.x.size());
    weight.reserve(sample.x.size());
    double ones = 0.0, total = 0.0;
    for (std::size_t g = 0; g < groups; ++g) {
        if (drawn[g] == 0) continue;
        const auto from = static_cast<std::ptrdiff_t>(sample.begin[g]), to = static_cast<std::ptrdiff_t>(sample.begin[g + 1]);
        x.insert(x.end(), sample.x.begin() + from, sample.x.begin() + to);
        y.insert(y.end(), sample.y.begin() + from, sample.y.begin() + to);
        weight.insert(weight.end(), static_cast<std::size_t>(to - from), drawn[g]);
        ones += drawn[g] * sample.ones[g];
        total += static_cast<double>(drawn[g]) * static_cast<double>(to - from);
    }
    if (ones == total) return kInfinity;
    if (ones == 0.0) return -kInfinity;
    const LapseSolution solution =
        maximise({x, y, weight, binary}, start, bounds, options.logistic.max_iterations, kReplicateTolerance);
    return extended_crossing(solution.parameters, low, high);
}

/// Derivative of the crossing with respect to the summed scores: gradient of the crossing times inverse information.
Eigen::Vector4d crossing_direction(const LapseSolution& solution, const LapseBounds& bounds, double at) {
    const auto& t = solution.parameters;
    const auto free = free_parameters(t, solution.state.gradient, bounds);
    // θ = (c − a)/b with c = log((½ − γ)/(½ − λ)).
    Eigen::Vector4d gradient(-1.0 / t[1], -at / t[1], -1.0 / (0.5 - t[2]) / t[1], 1.0 / (0.5 - t[3]) / t[1]);
    Eigen::Matrix4d information = Eigen::Matrix4d::Identity();
    for (Eigen::Index i = 0; i < 4; ++i) {
        if (!free[static_cast<std::size_t>(i)]) {
            gradient[i] = 0.0;
            continue;
        }
        for (Eigen::Index j = 0; j < 4; ++j) {
            if (free[static_cast<std::size_t>(j)]) information(i, j) = solution.state.information(i, j);
        }
    }
    return information.fullPivLu().solve(gradient);
}

/// What each group pushes the crossing by, in units of z: the empirical influence, from scores and information.
std::vector<double> group_influence(const GroupedSample& sample, const LapseSolution& solution,
                                    const LapseBounds& bounds, double at) {
    const Eigen::Vector4d direction = crossing_direction(solution, bounds, at);
    std::vector<double> influence;
    for (std::size_t g = 0; g + 1 < sample.begin.size(); ++g) {
        Eigen::Vector4d sum = Eigen::Vector4d::Zero();
        for (std::size_t i = sample.begin[g]; i < sample.begin[g + 1]; ++i) {
            sum += score(sample.x[i], sample.y[i], solution.parameters);
        }
        influence.push_back(direction.dot(sum));
    }
    return influence;
}

}  // namespace

void balance_by_logistic(const BalanceData& data, const BalanceOptions& options, BalancePoint& result) {
    LogisticOptions logistic = options.logistic;
    logistic.increasing = false;
    const LogisticFit fit = logistic_fit(data.x, data.y, {}, logistic, data.groups);
    if (!fit.converged) result.flags.emplace_back("not_converged");
    if (fit.separated) result.flags.emplace_back("separated");
    if (fit.lapse_at_bound) result.flags.emplace_back("lapse_at_bound");
    if (fit.slope == 0.0) result.flags.emplace_back("flat_fit");
    if (data.group_count > 0 && data.group_count < kFewGroups) result.flags.emplace_back("few_groups");

    const auto [low_x, high_x] = std::minmax_element(data.x.begin(), data.x.end());
    const double at_left = fit.predict(*low_x), at_right = fit.predict(*high_x);
    if (!(at_left > 0.5 && at_right < 0.5)) {
        if (fit.threshold(0.5)) result.flags.emplace_back("extrapolated");
        if (at_left == 0.5 && at_right == 0.5) return set_no_crossing(result, BalanceStatus::unbounded);
        return set_no_crossing(result, at_right >= 0.5 ? BalanceStatus::always_text : BalanceStatus::always_vision);
    }
    const double estimate = fit.threshold(0.5).value();
    if (options.interval == IntervalKind::fieller) {
        const auto [low, high] = fieller_interval(fit, options.level);
        return set_crossing(result, estimate, low, high);
    }

    const Standardised scale = Standardised::of(data.x);
    const std::vector<double> z = scale.apply(data.x);
    const std::size_t clusters = data.groups.empty() ? data.x.size() : data.group_count;
    const GroupedSample sample = arrange(z, data.y, data.groups, clusters);
    const LapseBounds bounds = lapse_bounds(logistic);
    const LapseParameters start = {fit.intercept + fit.slope * scale.centre, fit.slope * scale.spread, fit.lower_lapse,
                                   fit.upper_lapse};
    const double low_z = (*low_x - scale.centre) / scale.spread, high_z = (*high_x - scale.centre) / scale.spread;
    result.replicates = options.replicates;
    result.replicate_estimates.resize(options.replicates);
    parallel_for(options.replicates, options.threads, [&](std::size_t begin, std::size_t end) {
        for (std::size_t r = begin; r < end; ++r) {
            const double at = replicate(sample, start, bounds, options, r, !data.soft, low_z, high_z);
            result.replicate_estimates[r] = scale.centre + scale.spread * at;
        }
    });
    std::vector<double> sorted = result.replicate_estimates;
    std::sort(sorted.begin(), sorted.end());
    result.replicates_without_crossing = static_cast<std::size_t>(
        std::count_if(sorted.begin(), sorted.end(), [](double value) { return std::isinf(value); }));
    if (result.replicates_without_crossing > 0) result.flags.emplace_back("no_crossing_in_replicates");
    std::array<double, 2> probabilities = {0.5 * (1.0 - options.level), 0.5 * (1.0 + options.level)};
    if (options.interval == IntervalKind::bca) {
        const LapseSolution solution = {start, evaluate({sample.x, sample.y, {}, !data.soft}, start), true};
        const auto influence = group_influence(sample, solution, bounds, (estimate - scale.centre) / scale.spread);
        probabilities = bca_probabilities(sorted, estimate, influence, options.level);
    }
    const double low = sorted_quantile(sorted, probabilities[0]), high = sorted_quantile(sorted, probabilities[1]);
    set_crossing(result, estimate, low, high);
}

}  // namespace modalconflict::detail
