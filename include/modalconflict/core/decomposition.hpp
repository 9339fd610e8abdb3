#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace modalconflict {

/// One model's cases for a decomposition.
struct FollowingCases {
    std::span<const double> x;            ///< ΔU_rel
    std::span<const double> y;            ///< 1 followed the text, 0 the image, or a probability
    std::span<const std::size_t> groups;  ///< the same code means the same group in both models; empty: independent cases
};

/// A part of a difference with its interval.
struct Part {
    double estimate = 0.0, low = 0.0, high = 0.0;
};

/// How much of a difference in text-following comes from where the models' cases lie, and how much from what they do there.
struct Decomposition {
    Part total;         ///< TFR of the first minus TFR of the second
    Part distribution;  ///< the mean curve over the first's ΔU_rel minus over the second's
    Part curve;         ///< the first's curve minus the second's, over both distributions equally
    double first_outside = 0.0;   ///< share of the first's cases beyond the second's range of x, where its curve is carried on flat
    double second_outside = 0.0;
    double level = 0.95;
    std::size_t replicates = 0;
};

/// Two-fold decomposition with each model's isotonic curve; the two parts add up to the total exactly, since an isotonic fit
/// keeps the mean. Intervals by resampling groups (of both models together where they share them), percentiles.
///
/// @throws InvalidArgument  naming the argument and the index.
///
/// Source: Kitagawa (1955), Components of a Difference Between Two Rates.
[[nodiscard]] Decomposition decompose_following(const FollowingCases& first, const FollowingCases& second,
                                                double level = 0.95, std::size_t replicates = 1000, std::uint64_t seed = 0,
                                                unsigned threads = 0);

}  // namespace modalconflict
