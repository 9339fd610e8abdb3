#pragma once

#include "pava.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace modalconflict::detail {

/// Observations sorted once; isotonic fits under changing group weights need no further sort.
class ResampledIsotonic {
public:
    ResampledIsotonic(std::span<const double> x, std::span<const double> y, std::span<const std::size_t> groups,
                      bool increasing);

    /// One fitted curve: distinct x of positive weight and their values.
    struct Curve {
        std::vector<double> x, y, weight;
        std::vector<Block> blocks;
        [[nodiscard]] double predict(double query) const;
        /// Values at ascending queries, in one pass.
        void predict_sorted(std::span<const double> queries, std::span<double> out) const;
        /// Weighted mean of the observations' answers.
        [[nodiscard]] double mean() const;
    };

    /// Refits with group g weighing drawn[g]; an empty span weighs all one. False where no observation is left.
    bool fit(std::span<const std::uint32_t> drawn, Curve& curve) const;

private:
    std::vector<double> x_, y_;
    std::vector<std::size_t> group_;
    bool increasing_;
    bool distinct_ = true;  ///< no two observations share an x
};

}  // namespace modalconflict::detail
