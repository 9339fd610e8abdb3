#include "lapse_logistic.hpp"

#include "lapse_kernel.hpp"

#include <Eigen/Cholesky>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace modalconflict::detail {
namespace {

constexpr double kTrusted = 0.05;      // longest step of any parameter, in standard units, that is taken unseen
constexpr double kContraction = 0.5;  // a Newton step near a peak promises less than this share of the one before
constexpr int kPatience = 12;         // plain Newton steps before the careful way is taken
constexpr double kTiniest = 1e-300;   // keeps quotients finite where a probability underflows

struct Point {
    double sigma, tau;  // σ(η) and 1 − σ(η), each exact in its own tail
    double p, q;        // P and 1 − P
};

Point curve(double eta, double lower, double upper) {
    const double a = std::exp(-std::abs(eta)), large = 1.0 / (1.0 + a), small = a * large;
    const double sigma = eta >= 0.0 ? large : small, tau = eta >= 0.0 ? small : large;
    const double span = 1.0 - lower - upper;
    return {sigma, tau, std::max(lower + span * sigma, kTiniest), std::max(upper + span * tau, kTiniest)};
}

}  // namespace

namespace {

LapseState state_of(const LapseData& data, const LapseParameters& t, bool likelihood) {
    const kernel::LapseSums sums =
        kernel::lapse_sums(data.x.data(), data.y.data(), data.weight.empty() ? nullptr : data.weight.data(),
                           data.x.size(), data.binary, likelihood, {t[0], t[1], t[2], t[3]});
    LapseState state;
    state.log_likelihood = sums.log_likelihood;
    std::size_t next = 0;
    for (Eigen::Index i = 0; i < 4; ++i) {
        state.gradient[i] = sums.gradient[i];
        for (Eigen::Index j = i; j < 4; ++j) state.information(i, j) = state.information(j, i) = sums.information[next++];
    }
    return state;
}

}  // namespace

LapseState evaluate(const LapseData& data, const LapseParameters& t) { return state_of(data, t, true); }

LapseState evaluate_slopes(const LapseData& data, const LapseParameters& t) { return state_of(data, t, false); }

Eigen::Vector4d score(double x, double y, const LapseParameters& t) {
    const Point at = curve(t[0] + t[1] * x, t[2], t[3]);
    const double first = y / at.p - (1.0 - y) / at.q;
    const double da = (1.0 - t[2] - t[3]) * at.sigma * at.tau;
    return first * Eigen::Vector4d(da, da * x, at.tau, -at.sigma);
}

std::array<bool, 4> free_parameters(const LapseParameters& t, const Eigen::Vector4d& gradient,
                                    const LapseBounds& bounds) {
    std::array<bool, 4> free{};
    for (std::size_t i = 0; i < 4; ++i) {
        const double slope = gradient[static_cast<Eigen::Index>(i)];
        const bool held_low = t[i] <= bounds.low[i] && slope <= 0.0;
        const bool held_high = t[i] >= bounds.high[i] && slope >= 0.0;
        free[i] = bounds.low[i] < bounds.high[i] && !held_low && !held_high;
    }
    return free;
}

namespace {

/// A damped Newton step within the bounds.
struct NewtonStep {
    LapseParameters next{};
    double promised = 0.0;  ///< log likelihood that the quadratic model gains
    double longest = 0.0;   ///< largest move of a parameter
    std::array<bool, 4> free{};
};

/// The quadratic model's peak within the bounds: a parameter that would leave them is put on its bound and the others are
/// solved for again, since each moves by what the rest do. Empty where the damped information is not positive definite.
std::optional<NewtonStep> newton_step(const LapseParameters& from, const LapseState& state, const LapseBounds& bounds,
                                      double damping) {
    const auto free = free_parameters(from, state.gradient, bounds);
    Eigen::Matrix4d information = state.information;
    // Damping in the units of each parameter's own curvature.
    for (Eigen::Index i = 0; i < 4; ++i) information(i, i) += damping * std::max(std::abs(information(i, i)), 1e-8);
    std::array<bool, 4> moving = free;
    Eigen::Vector4d move = Eigen::Vector4d::Zero();
    for (bool within = false; !within;) {
        Eigen::Matrix4d matrix = Eigen::Matrix4d::Identity();
        Eigen::Vector4d gradient = Eigen::Vector4d::Zero();
        for (Eigen::Index i = 0; i < 4; ++i) {
            if (!moving[static_cast<std::size_t>(i)]) continue;
            gradient[i] = state.gradient[i];
            for (Eigen::Index j = 0; j < 4; ++j) {
                if (moving[static_cast<std::size_t>(j)]) {
                    matrix(i, j) = information(i, j);
                } else {
                    gradient[i] -= information(i, j) * move[j];
                }
            }
        }
        const Eigen::LLT<Eigen::Matrix4d> cholesky(matrix);
        if (cholesky.info() != Eigen::Success) return std::nullopt;
        const Eigen::Vector4d step = cholesky.solve(gradient);
        within = true;
        for (std::size_t i = 0; i < 4; ++i) {
            if (!moving[i]) continue;
            const double wanted = step[static_cast<Eigen::Index>(i)];
            const double allowed = std::clamp(wanted, bounds.low[i] - from[i], bounds.high[i] - from[i]);
            move[static_cast<Eigen::Index>(i)] = allowed;
            if (allowed != wanted) within = moving[i] = false;
        }
    }
    NewtonStep found;
    found.free = free;
    found.promised = state.gradient.dot(move) - 0.5 * move.dot(information * move);
    found.longest = move.cwiseAbs().maxCoeff();
    for (std::size_t i = 0; i < 4; ++i) {
        found.next[i] = std::clamp(from[i] + move[static_cast<Eigen::Index>(i)], bounds.low[i], bounds.high[i]);
    }
    return found;
}

}  // namespace

LapseSolution maximise(const LapseData& data, LapseParameters start, const LapseBounds& bounds, int max_iterations,
                       double tolerance) {
    const LapseEvaluate evaluate_at = [&](const LapseParameters& parameters) { return evaluate(data, parameters); };
    return maximise(evaluate_at, start, bounds, max_iterations, tolerance);
}

LapseSolution maximise(const LapseEvaluate& evaluate_at, LapseParameters start, const LapseBounds& bounds,
                       int max_iterations, double tolerance, const LapseState* at_start) {
    LapseSolution now;
    for (std::size_t i = 0; i < 4; ++i) now.parameters[i] = std::clamp(start[i], bounds.low[i], bounds.high[i]);
    now.state = at_start != nullptr ? *at_start : evaluate_at(now.parameters);
    double damping = 0.0;
    for (int iteration = 0; iteration < max_iterations; ++iteration) {
        const auto step = newton_step(now.parameters, now.state, bounds, damping);
        if (!step) {
            damping = std::max(10.0 * damping, 1e-3);
            if (damping > 1e12) return now;
            continue;
        }
        const bool done = step->promised < tolerance && damping <= 1e-3;
        if (done && step->longest < kTrusted) {
            // So near the peak a short step is taken unseen: what it leaves is its own square. A long one goes along a ridge
            // of the likelihood and has to show itself.
            now.parameters = step->next;
            now.converged = true;
            return now;
        }
        LapseSolution next;
        next.parameters = step->next;
        next.state = evaluate_at(next.parameters);
        const double slack = 1e-13 * std::abs(now.state.log_likelihood);
        if (next.state.log_likelihood >= now.state.log_likelihood - slack) {
            now = next;
            now.converged = done;
            if (done) return now;
            damping = damping < 1e-4 ? 0.0 : damping / 10.0;
        } else {
            if (done) {
                now.converged = true;
                return now;
            }
            damping = std::max(10.0 * damping, 1e-3);
            if (damping > 1e12) return now;
        }
    }
    return now;
}

LapseSolution maximise_nearby(const LapseData& data, const LapseParameters& start, const LapseState& at_start,
                              const LapseBounds& bounds, int max_iterations, double tolerance) {
    LapseSolution now{start, at_start, false};
    NewtonStep last;
    last.promised = std::numeric_limits<double>::infinity();
    for (int iteration = 0; iteration < std::min(max_iterations, kPatience); ++iteration) {
        const auto step = newton_step(now.parameters, now.state, bounds, 0.0);
        if (!step) break;
        // A parameter that comes off its bound brings a promise of its own.
        const bool same = std::equal(last.free.begin(), last.free.end(), step->free.begin(),
                                     [](bool before, bool after) { return before || !after; });
        if (same && step->promised > kContraction * last.promised) break;
        now.parameters = step->next;
        if (step->promised < tolerance && step->longest < kTrusted) {
            now.converged = true;
            return now;
        }
        last = *step;
        now.state = evaluate_slopes(data, now.parameters);
    }
    const LapseEvaluate evaluate_at = [&](const LapseParameters& parameters) { return evaluate(data, parameters); };
    return maximise(evaluate_at, start, bounds, max_iterations, tolerance, &at_start);
}

double crossing(const LapseParameters& t, double level) {
    const double above = level - t[2], below = 1.0 - t[3] - level;
    if (t[1] == 0.0 || !(above > 0.0) || !(below > 0.0)) return std::numeric_limits<double>::quiet_NaN();
    return (std::log(above / below) - t[0]) / t[1];
}

}  // namespace modalconflict::detail
