#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace modalconflict {

/// A monotone, piecewise linear curve through knots, constant beyond the first and the last.
struct MonotoneFit {
    std::vector<double> x;       ///< knots, strictly ascending
    std::vector<double> y;       ///< values at the knots, monotone
    std::vector<double> weight;  ///< weight that stands behind each knot
    bool increasing = false;

    /// @throws InvalidArgument  if a query is NaN.
    [[nodiscard]] double predict(double query) const;

    /// Where the curve crosses a level that lies strictly between its two ends; the middle of the stretch where
    /// it is flat there. Empty where there is no crossing.
    [[nodiscard]] std::optional<double> threshold(double level = 0.5) const;

    /// A smooth monotone curve through the same knots, for drawing: PCHIP, constant beyond the ends.
    /// Source: Fritsch & Carlson (1980), Monotone piecewise cubic interpolation; slopes by Fritsch & Butland (1984).
    [[nodiscard]] std::vector<double> predict_smooth(std::span<const double> queries) const;
};

/// Weighted least squares over monotone sequences, by pooling adjacent violators in linear time.
///
/// @param y           Shape (n,), finite.
/// @param weights     Shape (n,), positive; empty means all one.
/// @param increasing  Direction of the fit.
/// @param out         Shape (n,); may be y's own memory.
/// @throws InvalidArgument  naming the argument and the index.
///
/// Source: Busing (2022), Monotone Regression: A Simple and Fast O(n) PAVA Implementation.
void isotonic_regression(std::span<const double> y, std::span<const double> weights, bool increasing,
                         std::span<double> out);

/// Isotonic regression of y on x; observations with equal x are pooled first.
///
/// @param x        Shape (n,), n >= 1, finite, in any order.
/// @param y        Shape (n,), finite.
/// @param weights  Shape (n,), non-negative with at least one positive; empty means all one. A weight of zero
///                 leaves its observation out.
/// @throws InvalidArgument  naming the argument and the index.
[[nodiscard]] MonotoneFit isotonic_fit(std::span<const double> x, std::span<const double> y,
                                       std::span<const double> weights = {}, bool increasing = false);

/// Centred isotonic regression: every flat stretch collapses to its weighted centre, linear in between. Strictly
/// monotone between its knots, so that an inverse exists, and of smaller error for inverse estimation.
///
/// Source: Oron & Flournoy (2017), Centered Isotonic Regression: Point and Interval Estimation for Dose–Response
/// Studies.
[[nodiscard]] MonotoneFit centered_isotonic_fit(std::span<const double> x, std::span<const double> y,
                                                std::span<const double> weights = {}, bool increasing = false);

}  // namespace modalconflict
