#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace modalconflict {

/// Observations in order of x, cut into bins of about equal count; equal x stay together.
struct BinnedMeans {
    std::vector<double> centre;            ///< mean x of each bin
    std::vector<double> mean;              ///< mean y of each bin
    std::vector<double> count;             ///< observations in it
    std::vector<std::size_t> bin_of;       ///< observation → bin
};

/// @param bins  Wanted number of bins, at least 2; fewer come out where x has fewer distinct values.
/// @throws InvalidArgument  naming the argument and the index.
[[nodiscard]] BinnedMeans bin_means(std::span<const double> x, std::span<const double> y, std::size_t bins);

struct MonotonicityOptions {
    std::size_t bins = 10;          ///< few enough that a bin's mean is not mere noise
    bool increasing = false;        ///< direction under test
    std::size_t replicates = 2000;  ///< regenerated samples
    std::uint64_t seed = 0;         ///< replicate r draws from the stream (seed, r)
    unsigned threads = 0;           ///< 0: every core; the result does not depend on it
};

/// Is there more violation of monotonicity than chance leaves?
struct ViolationTest {
    double mass = 0.0;     ///< Σ count·(bin mean − monotone fit)² / Σ count
    double p_value = 1.0;  ///< share of samples regenerated under H₀ with at least this mass
    std::vector<double> centre, mean, fit, count;  ///< the bins and the monotone fit through them
    std::size_t replicates = 0;
};

/// Violation mass with a wild-cluster p-value. H₀: the curve is monotone. Outcomes are regenerated from the monotone fit,
/// flattened where neighbouring bins do not differ beyond their noise, with residuals whose signs are drawn group by group.
///
/// @param groups  Shape (n,) or empty: then every observation is its own group.
///
/// Source: Cameron, Gelbach & Miller (2008), Bootstrap-Based Improvements for Inference with Clustered Errors (weights);
/// Andrews & Soares (2010), Inference for Parameters Defined by Moment Inequalities (flattening).
[[nodiscard]] ViolationTest violation_test(std::span<const double> x, std::span<const double> y,
                                           std::span<const std::size_t> groups, const MonotonicityOptions& options = {});

/// Flat against monotone.
struct TrendTest {
    double statistic = 0.0;   ///< χ̄²: the monotone fit's weighted sum of squares over the variance
    double p_value = 1.0;
    double dispersion = 1.0;  ///< clusters' variance ratio that divided the statistic
    std::vector<double> level_probabilities;  ///< entry l − 1: probability of l distinct levels under H₀
};

/// Chi-bar-square test of a flat curve against a monotone one. Level probabilities by simulation for the bins' own counts.
///
/// Source: Robertson, Wright & Dykstra (1988), Order Restricted Statistical Inference, chapter 2.
[[nodiscard]] TrendTest trend_test(std::span<const double> x, std::span<const double> y,
                                   std::span<const std::size_t> groups, const MonotonicityOptions& options = {});

/// Is the relative uncertainty enough, or does the total matter too?
struct SufficiencyTest {
    double coefficient = 0.0;        ///< of log(U_t + U_v) in the logit of following the text
    double error = 0.0;              ///< cluster-robust standard error (HC0 without groups)
    double p_value = 1.0;            ///< Wald, clustered
    double likelihood_ratio = 0.0;   ///< of adding it
    double p_independent = 1.0;      ///< of that ratio, as if cases were independent
    std::size_t clusters = 0;
};

/// Adds log(total) to a logistic regression on a cubic in x, so that the shape of the curve is not mistaken for the total.
///
/// @param total  U_t + U_v a case, positive.
[[nodiscard]] SufficiencyTest sufficiency_test(std::span<const double> x, std::span<const double> y,
                                               std::span<const double> total, std::span<const std::size_t> groups);

/// Spearman's rank correlation, ties at their mean rank; NaN where one side is constant. No test of monotonicity.
[[nodiscard]] double spearman(std::span<const double> x, std::span<const double> y);

/// Probability that a chi-square variable exceeds a value.
[[nodiscard]] double chi_square_survival(double value, unsigned degrees);

}  // namespace modalconflict
