#include <modalconflict/core/isotonic_surface.hpp>

#include "checks.hpp"
#include "pava.hpp"

#include <algorithm>
#include <numeric>

namespace modalconflict {
namespace {

constexpr double kEmptyCell = 1e-6;  // of the mean weight: enough to be placed, too little to pull
constexpr double kTolerance = 1e-11;
constexpr int kMostSweeps = 20000;

/// Projects every line (a row or a column) onto monotone sequences.
class Lines {
public:
    Lines(std::size_t count, std::size_t length, std::size_t stride_line, std::size_t stride, bool increasing)
        : count_(count), length_(length), stride_line_(stride_line), stride_(stride), increasing_(increasing),
          values_(length), weights_(length) {}

    void project(std::vector<double>& matrix, const std::vector<double>& weights) {
        for (std::size_t line = 0; line < count_; ++line) {
            for (std::size_t i = 0; i < length_; ++i) {
                values_[i] = matrix[line * stride_line_ + i * stride_];
                weights_[i] = weights[line * stride_line_ + i * stride_];
            }
            detail::pava(values_, weights_, increasing_, blocks_);
            for (const auto& block : blocks_) {
                for (std::size_t i = block.begin; i < block.end; ++i) matrix[line * stride_line_ + i * stride_] = block.mean;
            }
        }
    }

private:
    std::size_t count_, length_, stride_line_, stride_;
    bool increasing_;
    std::vector<double> values_, weights_;
    std::vector<detail::Block> blocks_;
};

}  // namespace

std::vector<double> isotonic_surface(std::span<const double> values, std::span<const double> weights, std::size_t rows,
                                     std::size_t columns, bool increasing_rows, bool increasing_columns) {
    if (rows == 0 || columns == 0) checks::fail("the surface has shape (", rows, ", ", columns, "): give at least one cell");
    const std::size_t n = rows * columns;
    checks::same_length("values", values.size(), "rows x columns", n);
    checks::same_length("weights", weights.size(), "rows x columns", n);
    checks::weights("weights", weights, n);
    double total = 0.0, mean = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
        if (weights[i] == 0.0) continue;
        if (!std::isfinite(values[i])) checks::fail("values[", i, "] is ", values[i], ": a cell with weight needs a finite value");
        total += weights[i];
        mean += weights[i] * values[i];
    }
    mean /= total;
    std::vector<double> fit(values.begin(), values.end()), own(weights.begin(), weights.end());
    for (std::size_t i = 0; i < n; ++i) {
        if (own[i] > 0.0) continue;
        fit[i] = mean;
        own[i] = kEmptyCell * total / static_cast<double>(n);
    }
    Lines down(columns, rows, 1, columns, increasing_rows), along(rows, columns, columns, 1, increasing_columns);
    // Dykstra: each projection starts from the point with its own last correction taken back.
    std::vector<double> correction_down(n, 0.0), correction_along(n, 0.0), before(n);
    for (int sweep = 0; sweep < kMostSweeps; ++sweep) {
        const std::vector<double> start = fit;
        for (auto* half : {&correction_down, &correction_along}) {
            for (std::size_t i = 0; i < n; ++i) before[i] = fit[i] - (*half)[i];
            fit = before;
            half == &correction_down ? down.project(fit, own) : along.project(fit, own);
            for (std::size_t i = 0; i < n; ++i) (*half)[i] = fit[i] - before[i];
        }
        double change = 0.0;
        for (std::size_t i = 0; i < n; ++i) change = std::max(change, std::abs(fit[i] - start[i]));
        if (change < kTolerance) break;
    }
    return fit;
}

}  // namespace modalconflict
