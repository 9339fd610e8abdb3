#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace modalconflict {

/// Weighted least squares over matrices monotone along both axes.
///
/// @param values            Row-major, shape (rows, columns), finite; the entry of a cell without weight does not matter.
/// @param weights           The same shape, non-negative, at least one positive. A cell of weight zero takes a value between
///                          its neighbours'.
/// @param increasing_rows   Direction down the rows.
/// @param increasing_columns  Direction along the columns.
/// @return                  Shape (rows, columns).
/// @throws InvalidArgument  naming the argument and the index.
///
/// Source: Dykstra & Robertson (1982), An Algorithm for Isotonic Regression for Two or More Independent Variables.
[[nodiscard]] std::vector<double> isotonic_surface(std::span<const double> values, std::span<const double> weights,
                                                   std::size_t rows, std::size_t columns, bool increasing_rows,
                                                   bool increasing_columns);

}  // namespace modalconflict
