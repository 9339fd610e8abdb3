#pragma once

#include <modalconflict/core/logistic_fit.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace modalconflict {

/// What can be said at all, before any number.
enum class BalanceStatus {
    crossing,       ///< the curve crosses one half; both ends of the interval are finite
    one_sided,      ///< it crosses, and one end of the interval is unbounded
    unbounded,      ///< it crosses, or is flat at one half, and the data bound the place on neither side
    always_text,    ///< it stays above one half over the observed range
    always_vision,  ///< it stays below one half
};
[[nodiscard]] std::string_view to_string(BalanceStatus status);

enum class BalanceMethod {
    cir,       ///< centred isotonic regression, interval by inverting the likelihood-ratio test
    logistic,  ///< lapse-logistic, interval by resampling whole groups
};
[[nodiscard]] std::string_view to_string(BalanceMethod method);
[[nodiscard]] BalanceMethod balance_method_from_string(std::string_view name);

enum class IntervalKind {
    percentile,        ///< logistic: percentiles of the replicates
    bca,               ///< logistic: bias-corrected and accelerated, the acceleration by leaving out groups
    fieller,           ///< logistic: Fieller's set from the cluster-robust covariance; no resampling
};

struct BalanceOptions {
    BalanceMethod method = BalanceMethod::cir;
    double level = 0.95;                               ///< coverage aimed at, within (0, 1)
    IntervalKind interval = IntervalKind::percentile;  ///< for the logistic method
    std::size_t replicates = 2000;                     ///< bootstrap replicates of the logistic method
    std::uint64_t seed = 0;                            ///< replicate r draws from the stream (seed, r)
    bool cluster_correction = true;                    ///< cir with groups: divide the statistic by φ̂
    unsigned threads = 0;                              ///< 0: every core; the result does not depend on it
    LogisticOptions logistic;                          ///< lapses; its direction is always decreasing
};

/// A balance point with its interval and what a reader must know about them.
struct BalancePoint {
    BalanceStatus status = BalanceStatus::unbounded;
    double estimate = 0.0;  ///< NaN where there is no crossing
    double low = 0.0;       ///< −inf where unbounded, NaN where there is no crossing
    double high = 0.0;      ///< +inf where unbounded, NaN where there is no crossing
    double level = 0.95;
    BalanceMethod method = BalanceMethod::cir;
    std::size_t observations = 0;
    std::size_t groups = 0;       ///< 0 where none were given
    /// assumes_independence, flat_fit, separated, lapse_at_bound, not_converged, few_groups, soft_outcomes,
    /// estimate_outside_interval, no_crossing_in_replicates, extrapolated, one_answer, cluster_corrected
    std::vector<std::string> flags;
    double dispersion = 1.0;      ///< φ̂ that divided the likelihood-ratio statistic (cir)
    std::size_t replicates = 0;                    ///< logistic
    std::size_t replicates_without_crossing = 0;   ///< logistic
    std::vector<double> replicate_estimates;       ///< logistic; ±inf where a replicate has no crossing
};

/// The ΔU_rel at which the model follows text and vision equally often: where a decreasing P(follow text) is one half.
///
/// @param x       ΔU_rel (or any score that grows with the text's difficulty), shape (n,), n >= 2, finite.
/// @param y       1 followed the text, 0 followed the image, or a probability between; shape (n,).
/// @param groups  Shape (n,) or empty: runs of one group share images and texts. At least two groups.
/// @throws InvalidArgument  naming the argument and the index.
///
/// Source: Banerjee & Wellner (2001), Likelihood ratio tests for monotone functions (cir);
/// Davison & Hinkley (1997), Bootstrap Methods and their Application, section 3.8 (groups).
[[nodiscard]] BalancePoint balance_point(std::span<const double> x, std::span<const double> y,
                                         std::span<const std::size_t> groups = {}, const BalanceOptions& options = {});

/// Whether two results for the same cases contradict each other: each estimate lies outside the other's interval, or one
/// has a crossing where the other has none. Between the two methods that is a sign that the logistic curve does not fit.
[[nodiscard]] bool balance_points_disagree(const BalancePoint& first, const BalancePoint& second);

/// How far apart the balance points of two models lie, on the same cases.
struct BalanceDifference {
    double estimate = 0.0;  ///< first minus second; NaN unless both have a crossing
    double low = 0.0;       ///< percentiles of the replicates; −inf where unbounded
    double high = 0.0;
    double p_value = 1.0;   ///< two-sided, of no difference; NaN without an estimate
    double level = 0.95;
    std::size_t groups = 0;
    std::size_t replicates = 0;
    std::size_t replicates_undefined = 0;  ///< neither model crossed, on the same side: left out
    BalancePoint first, second;            ///< each on its own, with its own interval
};

/// One model's cases.
struct BalanceCases {
    std::span<const double> x, y;
    std::span<const std::size_t> groups;  ///< the same code means the same group in both models
};

/// Difference of two balance points (lapse-logistic), resampling the groups of both models together: what the two share,
/// images and texts, then cancels.
///
/// @throws InvalidArgument  as balance_point does, or if the two have no group in common.
[[nodiscard]] BalanceDifference balance_point_difference(const BalanceCases& first, const BalanceCases& second,
                                                         const BalanceOptions& options = {});

/// Twice the log likelihood ratio of "the curve crosses one half in this gap between neighbouring x".
struct LikelihoodRatioProfile {
    std::vector<double> x;          ///< distinct x, ascending, shape (k,)
    std::vector<double> statistic;  ///< gap i lies between x[i−1] and x[i]; gap 0 and gap k are outside; shape (k + 1,)
};

/// The profile for all gaps in linear time, from prefix and suffix fits.
[[nodiscard]] LikelihoodRatioProfile crossing_likelihood_ratio(std::span<const double> x, std::span<const double> y,
                                                               double probability = 0.5);

/// Critical value of the law to which the likelihood ratio of a monotone function at a point converges.
///
/// @param level  Within [0.05, 0.999]; between the tabulated levels it is interpolated.
[[nodiscard]] double likelihood_ratio_quantile(double level);

}  // namespace modalconflict
