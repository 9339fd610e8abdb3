#pragma once

#include "pava.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace modalconflict::detail {

/// Observations sorted once; isotonic fits under changing group weights need no further sort.
///
/// Neighbours whose values go against the direction whatever their weights are (a rising run of a decreasing curve) always
/// end up in one block: blocks part only between a value and a smaller one. Such runs are found once, and a refit pools
/// their weighted sums instead of the observations.
class ResampledIsotonic {
public:
    ResampledIsotonic(std::span<const double> x, std::span<const double> y, std::span<const std::size_t> groups,
                      bool increasing);

    /// One fitted curve: distinct x of positive weight and their values.
    struct Curve {
        std::vector<double> x, y, weight;
        /// Values at ascending queries, in one pass.
        void predict_sorted(std::span<const double> queries, std::span<double> out) const;
        /// Weighted mean of the observations' answers, which the fit keeps.
        [[nodiscard]] double mean() const;
    };

    /// Memory of one worker.
    struct Scratch {
        std::vector<double> group_weight, sum, weight, value;
        std::vector<std::size_t> kept;
        std::vector<Block> blocks;
    };

    /// Queries in ascending order with the place of each among the distinct x.
    struct Places {
        std::vector<double> query;
        std::vector<std::size_t> right;  ///< first distinct x that is not less than the query
    };
    [[nodiscard]] Places locate(std::span<const double> queries) const;

    /// Refits with group g weighing drawn[g]; an empty span weighs all one. False where no observation is left.
    bool fit(std::span<const std::uint32_t> drawn, Scratch& scratch, Curve& curve) const;

    /// The same, with the curve's values at some places only.
    bool fit_at(std::span<const std::uint32_t> drawn, const Places& places, Scratch& scratch, std::span<double> out) const;

private:
    bool pool_runs(std::span<const std::uint32_t> drawn, Scratch& scratch) const;
    [[nodiscard]] double weight_of(std::size_t bin, const Scratch& scratch) const;

    std::vector<double> x_;                // distinct, ascending
    std::vector<std::size_t> bin_begin_;   // x_[b] has the observations [bin_begin_[b], bin_begin_[b + 1])
    std::vector<std::uint32_t> run_of_;    // distinct x → its run
    std::vector<std::size_t> run_begin_;   // run r has the observations [run_begin_[r], run_begin_[r + 1])
    std::vector<double> y_;                // observations in order of x
    std::vector<std::uint32_t> group_;
    std::size_t group_count_ = 0;
    bool increasing_;
};

}  // namespace modalconflict::detail
