#include "balance_methods.hpp"

#include <modalconflict/core/random.hpp>

#include <Eigen/LU>

#include <algorithm>
#include <cmath>
#include <limits>

namespace modalconflict::detail {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// In log likelihood, where half a unit is one standard error; the last step leaves about its square.
constexpr double kReplicateTolerance = 1e-3;
constexpr std::size_t kSmallGroup = 8;

/// Where the curve crosses one half within [low, high]; −inf below one half throughout, +inf above.
double extended_crossing(const LapseParameters& parameters, double low, double high) {
    const double at = crossing(parameters, 0.5);
    if (at >= low && at <= high) return at;
    const double middle = parameters[1] == 0.0 ? parameters[0] : parameters[0] + parameters[1] * 0.5 * (low + high);
    const double p = parameters[2] + (1.0 - parameters[2] - parameters[3]) / (1.0 + std::exp(-middle));
    return p > 0.5 ? kInfinity : -kInfinity;
}

/// Derivative of the crossing by the summed scores: gradient of the crossing times the inverse information.
Eigen::Vector4d crossing_direction(const LapseParameters& t, const LapseState& state, const LapseBounds& bounds,
                                   double at) {
    const auto free = free_parameters(t, state.gradient, bounds);
    // θ = (c − a)/b with c = log((½ − γ)/(½ − λ)).
    Eigen::Vector4d gradient(-1.0 / t[1], -at / t[1], -1.0 / (0.5 - t[2]) / t[1], 1.0 / (0.5 - t[3]) / t[1]);
    Eigen::Matrix4d information = Eigen::Matrix4d::Identity();
    for (Eigen::Index i = 0; i < 4; ++i) {
        if (!free[static_cast<std::size_t>(i)]) {
            gradient[i] = 0.0;
            continue;
        }
        for (Eigen::Index j = 0; j < 4; ++j) {
            if (free[static_cast<std::size_t>(j)]) information(i, j) = state.information(i, j);
        }
    }
    return information.fullPivLu().solve(gradient);
}

}  // namespace

LogisticBootstrap::LogisticBootstrap(std::span<const double> x, std::span<const double> y,
                                     std::span<const std::size_t> groups, std::size_t count, const LogisticFit& fit,
                                     const LogisticOptions& options)
    : begin_(count + 1, 0),
      ones_(count, 0.0),
      scale_(Standardised::of(x)),
      bounds_(lapse_bounds(options)),
      start_{fit.intercept + fit.slope * scale_.centre, fit.slope * scale_.spread, fit.lower_lapse, fit.upper_lapse},
      binary_(std::all_of(y.begin(), y.end(), [](double value) { return value == 0.0 || value == 1.0; })),
      max_iterations_(options.max_iterations) {
    const std::vector<double> z = scale_.apply(x);
    const auto [low, high] = std::minmax_element(z.begin(), z.end());
    low_ = *low;
    high_ = *high;
    for (const std::size_t group : groups) ++begin_[group + 1];
    for (std::size_t g = 0; g < count; ++g) begin_[g + 1] += begin_[g];
    std::vector<std::size_t> next(begin_.begin(), begin_.end() - 1);
    x_.resize(x.size());
    y_.resize(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
        const std::size_t at = next[groups[i]]++;
        x_[at] = z[i];
        y_[at] = y[i];
        ones_[groups[i]] += y[i];
    }
    if (x.size() < kSmallGroup * count) return;
    at_start_.reserve(count);
    for (std::size_t g = 0; g < count; ++g) {
        const std::size_t from = begin_[g], length = begin_[g + 1] - from;
        at_start_.push_back(
            evaluate({std::span(x_).subspan(from, length), std::span(y_).subspan(from, length), {}, binary_}, start_));
    }
}

double LogisticBootstrap::crossing_of(std::span<const std::uint32_t> drawn, Scratch& scratch) const {
    scratch.x.resize(x_.size());
    scratch.y.resize(x_.size());
    scratch.weight.resize(x_.size());
    // Sums of large groups are known at the start; single cases are faster summed anew, eight at a time.
    const bool from_groups = x_.size() >= kSmallGroup * drawn.size();
    double ones = 0.0, total = 0.0;
    LapseState at_start;
    std::size_t kept = 0;
    for (std::size_t g = 0; g < drawn.size(); ++g) {
        if (drawn[g] == 0) continue;
        const double times = drawn[g];
        for (std::size_t i = begin_[g]; i < begin_[g + 1]; ++i) {
            scratch.x[kept] = x_[i];
            scratch.y[kept] = y_[i];
            scratch.weight[kept++] = times;
        }
        ones += times * ones_[g];
        total += times * static_cast<double>(begin_[g + 1] - begin_[g]);
        if (from_groups) {
            at_start.log_likelihood += times * at_start_[g].log_likelihood;
            at_start.gradient += times * at_start_[g].gradient;
            at_start.information += times * at_start_[g].information;
        }
    }
    if (ones == total) return kInfinity;
    if (ones == 0.0) return -kInfinity;
    const LapseData data = {std::span(scratch.x).first(kept), std::span(scratch.y).first(kept),
                            std::span(scratch.weight).first(kept), binary_};
    if (!from_groups) at_start = evaluate(data, start_);
    const LapseSolution solution =
        maximise_nearby(data, start_, at_start, bounds_, max_iterations_, kReplicateTolerance);
    return scale_.centre + scale_.spread * extended_crossing(solution.parameters, low_, high_);
}

std::vector<double> LogisticBootstrap::influence(double crossing) const {
    const LapseState state = evaluate({x_, y_, {}, binary_}, start_);
    const Eigen::Vector4d direction =
        crossing_direction(start_, state, bounds_, (crossing - scale_.centre) / scale_.spread);
    std::vector<double> influence;
    for (std::size_t g = 0; g + 1 < begin_.size(); ++g) {
        Eigen::Vector4d sum = Eigen::Vector4d::Zero();
        for (std::size_t i = begin_[g]; i < begin_[g + 1]; ++i) sum += score(x_[i], y_[i], start_);
        influence.push_back(direction.dot(sum));
    }
    return influence;
}

std::vector<std::uint32_t> draw_groups(std::uint64_t seed, std::uint64_t number, std::size_t groups) {
    CounterRng rng(seed, number);
    std::vector<std::uint32_t> drawn(groups, 0);
    for (std::size_t draw = 0; draw < groups; ++draw) ++drawn[rng.below(static_cast<std::uint32_t>(groups))];
    return drawn;
}

}  // namespace modalconflict::detail
