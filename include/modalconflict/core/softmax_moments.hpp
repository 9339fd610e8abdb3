#pragma once

#include <cstddef>
#include <limits>
#include <span>

namespace modalconflict {

/// What one pass over a row of logits z leaves behind: every closed-form uncertainty index follows from it.
///
/// With m = max z, d = scale·(z − m) and e = exp(d): sums of e, e·d and e·d². The sum of e is kept as its
/// excess over the one that the largest logit contributes, so that the entropy of a nearly certain answer
/// keeps its digits. A logit of −inf adds nothing.
struct SoftmaxMoments {
    double max = -std::numeric_limits<double>::infinity();  ///< scale·m
    double excess = -1.0;                                   ///< Σ e − 1; −1 while nothing has been seen
    double first = 0.0;                                     ///< Σ e·d, never positive
    double second = 0.0;                                    ///< Σ e·d²

    /// Joins the sums of another part of the same row. The order of joining changes rounding only.
    void merge(const SoftmaxMoments& other);

    [[nodiscard]] double sum() const { return 1.0 + excess; }
    /// log Σ exp(scale·z).
    [[nodiscard]] double log_sum_exp() const;
    /// Entropy in nats; both of its terms are non-negative, nothing cancels.
    [[nodiscard]] double entropy() const;
    /// Variance of the surprisal −log p under p, in nats².
    [[nodiscard]] double varentropy() const;
};

/// Moments of one row of logits.
///
/// @param logits  Shape (n,), n >= 1. −inf is allowed; NaN, +inf and a row of −inf only are not.
/// @param scale   Positive factor on the logits: the inverse temperature.
/// @throws InvalidArgument  naming the index of the offending logit.
[[nodiscard]] SoftmaxMoments softmax_moments(std::span<const float> logits, double scale = 1.0);
[[nodiscard]] SoftmaxMoments softmax_moments(std::span<const double> logits, double scale = 1.0);

}  // namespace modalconflict
