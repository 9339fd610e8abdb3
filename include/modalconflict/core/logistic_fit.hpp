#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>

namespace modalconflict {

/// How the lapse-logistic curve P(x) = γ + (1 − γ − λ) / (1 + exp(±(x − m)/w)) is fitted.
struct LogisticOptions {
    bool increasing = false;             ///< sign of the slope; the other sign is never returned
    std::optional<double> lower_lapse;   ///< γ, the floor, held at this value; free where empty
    std::optional<double> upper_lapse;   ///< λ, the ceiling's distance from one; free where empty
    double max_lapse = 0.25;             ///< free lapses stay within [0, max_lapse]: beyond, floor and slope trade places
    int max_iterations = 200;            ///< Newton steps from each start
};

/// A fitted lapse-logistic curve with its diagnostics.
struct LogisticFit {
    double location = 0.0;     ///< m, where the curve is half way between floor and ceiling; NaN where it is flat
    double width = 0.0;        ///< w > 0 in units of x; infinite where the curve is flat
    double lower_lapse = 0.0;  ///< γ
    double upper_lapse = 0.0;  ///< λ
    double intercept = 0.0;    ///< η(x) = intercept + slope·x is what the logistic function sees
    double slope = 0.0;
    bool increasing = false;
    double log_likelihood = 0.0;
    std::size_t observations = 0;
    bool converged = false;
    bool separated = false;      ///< no overlap between the two answers: the width has no finite estimate
    bool lapse_at_bound = false; ///< a free lapse stopped at max_lapse
    /// Covariance of (intercept, slope, γ, λ), row-major; zero rows for parameters that are fixed or on a bound.
    std::array<double, 16> covariance{};

    [[nodiscard]] double predict(double query) const;
    /// Where P = level. Empty where level is not strictly between floor and ceiling, or the curve is flat.
    [[nodiscard]] std::optional<double> threshold(double level = 0.5) const;
};

/// Maximum likelihood. Soft outcomes (probabilities) use the same formula as a quasi-likelihood.
///
/// @param x        Shape (n,), finite, at least two distinct values.
/// @param y        Shape (n,), within [0, 1]: an outcome, a share of trials, or a probability.
/// @param weights  Shape (n,): trials; non-negative, at least one positive; empty means all one.
/// @param groups   Shape (n,) or empty: with groups the covariance is the cluster-robust sandwich.
/// @throws InvalidArgument  naming the argument and the index.
///
/// Source: Wichmann & Hill (2001), The psychometric function: I. Fitting, sampling, and goodness of fit.
[[nodiscard]] LogisticFit logistic_fit(std::span<const double> x, std::span<const double> y,
                                       std::span<const double> weights = {}, const LogisticOptions& options = {},
                                       std::span<const std::size_t> groups = {});

/// A curve through blocks of trials that scatter more than independent trials would.
struct BetaBinomialFit {
    LogisticFit curve;            ///< its covariance takes the overdispersion as known
    double overdispersion = 0.0;  ///< ρ, the correlation of two trials of a block; 0 is the binomial
    double likelihood_ratio = 0.0;  ///< twice the gain over the binomial fit
    double p_value = 1.0;         ///< of that gain under ρ = 0, a half chi-square
};

/// Maximum likelihood with a beta-binomial distribution of each block's successes.
///
/// @param x          Shape (blocks,), at least two distinct values.
/// @param successes  Whole numbers within 0 and trials.
/// @param trials     Whole numbers; at least one above one, since single trials cannot show overdispersion.
/// @throws InvalidArgument  naming the argument and the index.
///
/// Source: Schütt, Harmeling, Macke & Wichmann (2016), Painfree and accurate Bayesian estimation of psychometric functions
/// for (potentially) overdispersed data.
[[nodiscard]] BetaBinomialFit beta_binomial_fit(std::span<const double> x, std::span<const double> successes,
                                                std::span<const double> trials, const LogisticOptions& options = {});

}  // namespace modalconflict
