#pragma once

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

/// No crossing: the three numbers become NaN.
void set_no_crossing(BalancePoint& result, BalanceStatus status);
/// Status of a crossing from which ends of its interval are finite.
void set_crossing(BalancePoint& result, double estimate, double low, double high);

/// Group codes renumbered 0 … count − 1 in the order of first appearance of the sorted codes.
std::vector<std::size_t> dense_codes(std::span<const std::size_t> groups, std::size_t& count);

}  // namespace modalconflict::detail
