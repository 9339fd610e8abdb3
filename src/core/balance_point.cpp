#include <modalconflict/core/balance_point.hpp>

#include "balance_methods.hpp"
#include "checks.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace modalconflict {
namespace {
constexpr std::array<std::string_view, 5> kStatuses = {"crossing", "one_sided", "unbounded", "always_text",
                                                       "always_vision"};
constexpr std::array<std::string_view, 2> kMethods = {"cir", "logistic"};
constexpr std::size_t kFewestReplicates = 100;
}  // namespace

std::string_view to_string(BalanceStatus status) { return kStatuses.at(static_cast<std::size_t>(status)); }
std::string_view to_string(BalanceMethod method) { return kMethods.at(static_cast<std::size_t>(method)); }

BalanceMethod balance_method_from_string(std::string_view name) {
    for (std::size_t i = 0; i < kMethods.size(); ++i) {
        if (kMethods[i] == name) return static_cast<BalanceMethod>(i);
    }
    checks::fail("method '", name, "' is unknown: use cir or logistic");
}

namespace detail {

void set_no_crossing(BalancePoint& result, BalanceStatus status) {
    result.status = status;
    result.estimate = result.low = result.high = std::numeric_limits<double>::quiet_NaN();
}

void set_crossing(BalancePoint& result, double estimate, double low, double high) {
    const bool open_left = std::isinf(low), open_right = std::isinf(high);
    result.status = open_left && open_right   ? BalanceStatus::unbounded
                    : open_left || open_right ? BalanceStatus::one_sided
                                              : BalanceStatus::crossing;
    result.estimate = estimate;
    result.low = low;
    result.high = high;
}

std::vector<std::size_t> dense_codes(std::span<const std::size_t> groups, std::size_t& count) {
    std::vector<std::size_t> distinct(groups.begin(), groups.end());
    std::sort(distinct.begin(), distinct.end());
    distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
    count = distinct.size();
    std::vector<std::size_t> codes(groups.size());
    std::transform(groups.begin(), groups.end(), codes.begin(), [&](std::size_t group) {
        return static_cast<std::size_t>(std::lower_bound(distinct.begin(), distinct.end(), group) - distinct.begin());
    });
    return codes;
}

}  // namespace detail

BalancePoint balance_point(std::span<const double> x, std::span<const double> y, std::span<const std::size_t> groups,
                           const BalanceOptions& options) {
    checks::not_empty("delta_u_rel", x.size());
    checks::same_length("follow_text", y.size(), "delta_u_rel", x.size());
    checks::finite("delta_u_rel", x);
    checks::within("follow_text", y, 0.0, 1.0);
    checks::open_unit("level", options.level);
    if (x.size() == 1) checks::fail("delta_u_rel has one entry: a balance point needs at least two cases");
    if (options.method == BalanceMethod::logistic && options.interval != IntervalKind::fieller &&
        options.replicates < kFewestReplicates) {
        checks::fail("replicates is ", options.replicates, ": draw at least ", kFewestReplicates);
    }
    BalancePoint result;
    result.level = options.level;
    result.method = options.method;
    result.observations = x.size();
    std::vector<std::size_t> codes;
    if (!groups.empty()) {
        checks::same_length("groups", groups.size(), "delta_u_rel", x.size());
        codes = detail::dense_codes(groups, result.groups);
        if (result.groups < 2) {
            checks::fail("groups names one group only: resampling groups needs at least two; leave groups out if the ",
                         "cases are independent");
        }
    }
    const bool soft = std::any_of(y.begin(), y.end(), [](double value) { return value > 0.0 && value < 1.0; });
    if (soft) result.flags.emplace_back("soft_outcomes");
    const auto all = [&](double answer) {
        return std::all_of(y.begin(), y.end(), [&](double value) { return value == answer; });
    };
    // One answer throughout: there is a status and nothing to fit, whatever x is.
    if (all(1.0) || all(0.0)) {
        detail::set_no_crossing(result, all(1.0) ? BalanceStatus::always_text : BalanceStatus::always_vision);
        result.flags.emplace_back("one_answer");
        return result;
    }
    if (std::all_of(x.begin(), x.end(), [&](double value) { return value == x[0]; })) {
        checks::fail("delta_u_rel has one distinct value, ", x[0], ": a balance point needs at least two");
    }
    const detail::BalanceData data = {x, y, codes, result.groups, soft};
    if (options.method == BalanceMethod::cir) {
        detail::balance_by_cir(data, options, result);
    } else {
        detail::balance_by_logistic(data, options, result);
    }
    return result;
}

}  // namespace modalconflict
