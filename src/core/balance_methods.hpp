#pragma once

#include "standardised.hpp"

#include <modalconflict/core/balance_point.hpp>

#include <span>

namespace modalconflict::detail {

/// Checked input of a balance point; the methods below trust it.
struct BalanceData {
    std::span<const double> x, y;
    std::span<const std::size_t> groups;  ///< codes 0 … group_count − 1, or empty
    std::size_t group_count = 0;
    bool soft = false;  ///< an outcome strictly between 0 and 1 occurs
};

/// Fill status, estimate, interval, flags and diagnostics of a result whose sizes are set already.
void balance_by_cir(const BalanceData& data, const BalanceOptions& options, BalancePoint& result);
void balance_by_logistic(const BalanceData& data, const BalanceOptions& options, BalancePoint& result);

/// One sample made ready for resampling: laid out group by group, in standard units of x.
class LogisticBootstrap {
public:
    /// @param groups  Codes 0 … count − 1; some may have no case here.
    LogisticBootstrap(std::span<const double> x, std::span<const double> y, std::span<const std::size_t> groups,
                      std::size_t count, const LogisticFit& fit, const LogisticOptions& options);

    /// Memory of one worker.
    struct Scratch {
        std::vector<double> x, y, weight;
    };

    /// The crossing of a sample in which group g occurs drawn[g] times: ±inf where it has none.
    [[nodiscard]] double crossing_of(std::span<const std::uint32_t> drawn, Scratch& scratch) const;

    /// What each group pushes the crossing by: the empirical influence.
    [[nodiscard]] std::vector<double> influence(double crossing) const;

private:
    std::vector<double> x_, y_;
    std::vector<std::size_t> begin_;  // group g is [begin_[g], begin_[g + 1])
    std::vector<double> ones_;        // Σ y of each group
    std::vector<LapseState> at_start_;  // each group's share of the sums at the start: a replicate adds them up
    Standardised scale_;
    LapseBounds bounds_;
    LapseParameters start_{};
    double low_ = 0.0, high_ = 0.0;  // range of x in standard units
    bool binary_ = false;
    int max_iterations_ = 0;
};

/// How often each of `groups` groups occurs in replicate `number`.
std::vector<std::uint32_t> draw_groups(std::uint64_t seed, std::uint64_t number, std::size_t groups);

/// No crossing: the three numbers become NaN.
void set_no_crossing(BalancePoint& result, BalanceStatus status);
/// Status of a crossing from which ends of its interval are finite.
void set_crossing(BalancePoint& result, double estimate, double low, double high);

/// Group codes renumbered 0 … count − 1 in the order of first appearance of the sorted codes.
std::vector<std::size_t> dense_codes(std::span<const std::size_t> groups, std::size_t& count);

}  // namespace modalconflict::detail
