#include <modalconflict/core/logistic_fit.hpp>
#include <modalconflict/core/monotonicity.hpp>

#include "checks.hpp"
#include "standardised.hpp"

#include <algorithm>
#include <cmath>

namespace modalconflict {
namespace {

constexpr double kMostOverdispersion = 0.95;
constexpr double kTiniest = 1e-300;

constexpr double kMostTrials = 1e8;

struct Blocks {
    std::vector<double> z;  ///< x in standard units
    std::span<const double> successes, trials;
};

/// Log likelihood of one block and its first two derivatives by p, the second with its sign turned.
struct BlockLikelihood {
    double value = 0.0, first = 0.0, second = 0.0;
};

BlockLikelihood block_likelihood(double k, double n, double p, double q, double rho) {
    BlockLikelihood sum;
    const double spread = 1.0 - rho;
    const auto add = [&](double count, double probability, double sign) {
        for (double j = 0.0; j < count; j += 1.0) {
            const double term = std::max(probability * spread + j * rho, kTiniest), slope = spread / term;
            sum.value += std::log(term);
            sum.first += sign * slope;
            sum.second += slope * slope;
        }
    };
    add(k, p, 1.0);
    add(n - k, q, -1.0);
    for (double j = 0.0; j < n; j += 1.0) sum.value -= std::log(spread + j * rho);
    return sum;
}

detail::LapseState evaluate(const Blocks& blocks, const detail::LapseParameters& t, double rho) {
    detail::LapseState state;
    const double span = 1.0 - t[2] - t[3];
    for (std::size_t i = 0; i < blocks.z.size(); ++i) {
        const double eta = t[0] + t[1] * blocks.z[i], a = std::exp(-std::abs(eta)), large = 1.0 / (1.0 + a), small = a * large;
        const double sigma = eta >= 0.0 ? large : small, tau = eta >= 0.0 ? small : large, bell = sigma * tau;
        const BlockLikelihood block =
            block_likelihood(blocks.successes[i], blocks.trials[i], t[2] + span * sigma, t[3] + span * tau, rho);
        const Eigen::Vector2d line(1.0, blocks.z[i]);
        Eigen::Vector4d by_parameter;
        by_parameter << span * bell * line, tau, -sigma;
        state.log_likelihood += block.value;
        state.gradient += block.first * by_parameter;
        state.information += block.second * by_parameter * by_parameter.transpose();
        // Curvature of P itself.
        state.information.topLeftCorner<2, 2>() -= block.first * span * bell * (tau - sigma) * line * line.transpose();
        for (const Eigen::Index lapse : {Eigen::Index{2}, Eigen::Index{3}}) {
            state.information.block<2, 1>(0, lapse) += block.first * bell * line;
            state.information.block<1, 2>(lapse, 0) += block.first * bell * line.transpose();
        }
    }
    return state;
}

void check(std::span<const double> x, std::span<const double> successes, std::span<const double> trials,
           const LogisticOptions& options) {
    checks::not_empty("x", x.size());
    checks::same_length("successes", successes.size(), "x", x.size());
    checks::same_length("trials", trials.size(), "x", x.size());
    checks::finite("x", x);
    double total = 0.0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        if (!(trials[i] >= 1.0) || trials[i] != std::floor(trials[i]) || !std::isfinite(trials[i])) {
            checks::fail("trials[", i, "] is ", trials[i], ": the trials of a block are a whole number, 1 or more");
        }
        if (!(successes[i] >= 0.0 && successes[i] <= trials[i]) || successes[i] != std::floor(successes[i])) {
            checks::fail("successes[", i, "] is ", successes[i], " of ", trials[i], " trials: give a whole number within 0 and trials");
        }
        total += trials[i];
        if (total > kMostTrials) {
            checks::fail("trials[", i, "] is ", trials[i], ": the likelihood has a term a trial, of which all blocks may have ", kMostTrials);
        }
    }
    if (std::all_of(trials.begin(), trials.end(), [](double n) { return n == 1.0; })) {
        checks::fail("trials are all one: single trials cannot show overdispersion; use logistic_fit, with groups");
    }
    detail::check_curve(x, options);
}

}  // namespace

BetaBinomialFit beta_binomial_fit(std::span<const double> x, std::span<const double> successes,
                                  std::span<const double> trials, const LogisticOptions& options) {
    check(x, successes, trials, options);
    const bool all = std::equal(successes.begin(), successes.end(), trials.begin());
    if (all || std::all_of(successes.begin(), successes.end(), [](double k) { return k == 0.0; })) {
        // The same answer throughout: a flat ceiling or floor, whatever the overdispersion.
        const std::vector<double> answers(x.size(), all ? 1.0 : 0.0);
        return {logistic_fit(x, answers, trials, options), 0.0, 0.0, 1.0};
    }
    const detail::Standardised scale = detail::Standardised::of(x);
    const Blocks blocks = {scale.apply(x), successes, trials};
    const detail::LapseBounds bounds = detail::lapse_bounds(options);
    const auto solve = [&](double rho) {
        const auto evaluate_at = [&](const detail::LapseParameters& t) { return evaluate(blocks, t, rho); };
        return detail::maximise_from_many(evaluate_at, bounds, options.max_iterations);
    };
    const detail::LapseSolution binomial = solve(0.0);
    // The profile over ρ, on a scale that is fine near zero: a coarse search for the peak, then golden sections around it.
    constexpr int kCoarse = 16;
    const auto rho_at = [](double u) { return kMostOverdispersion * u * u; };
    double best_u = 0.0, best = binomial.state.log_likelihood;
    for (int i = 1; i <= kCoarse; ++i) {
        const double u = static_cast<double>(i) / kCoarse, value = solve(rho_at(u)).state.log_likelihood;
        if (value > best) {
            best = value;
            best_u = u;
        }
    }
    double low = std::max(0.0, best_u - 1.0 / kCoarse), high = std::min(1.0, best_u + 1.0 / kCoarse);
    const double golden = 0.5 * (std::sqrt(5.0) - 1.0);
    while (high - low > 1e-6) {
        const double left = high - golden * (high - low), right = low + golden * (high - low);
        const bool keep_left = solve(rho_at(left)).state.log_likelihood >= solve(rho_at(right)).state.log_likelihood;
        (keep_left ? high : low) = keep_left ? right : left;
    }
    double rho = rho_at(0.5 * (low + high));
    detail::LapseSolution solution = solve(rho);
    if (!(solution.state.log_likelihood > binomial.state.log_likelihood)) {
        rho = 0.0;
        solution = binomial;
    }
    BetaBinomialFit fit;
    fit.curve = detail::as_fit(solution, scale, bounds, options, detail::inverse_information(solution, bounds));
    fit.curve.observations = x.size();
    fit.overdispersion = rho;
    fit.likelihood_ratio = std::max(0.0, 2.0 * (solution.state.log_likelihood - binomial.state.log_likelihood));
    fit.p_value = fit.likelihood_ratio > 0.0 ? 0.5 * chi_square_survival(fit.likelihood_ratio, 1) : 1.0;
    return fit;
}

}  // namespace modalconflict
