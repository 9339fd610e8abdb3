#include <modalconflict/core/decomposition.hpp>

#include "balance_methods.hpp"
#include "checks.hpp"
#include "intervals.hpp"
#include "resampled_isotonic.hpp"

#include <modalconflict/core/parallel.hpp>

#include <algorithm>
#include <array>
#include <numeric>

namespace modalconflict {
namespace {

using Curve = detail::ResampledIsotonic::Curve;

void check(const FollowingCases& cases, std::string_view which) {
    const auto name = [&](std::string_view part) { return checks::sentence(part, " of the ", which, " model"); };
    checks::not_empty(name("x"), cases.x.size());
    checks::same_length(name("y"), cases.y.size(), "x", cases.x.size());
    checks::finite(name("x"), cases.x);
    checks::within(name("y"), cases.y, 0.0, 1.0);
    if (cases.x.size() == 1) checks::fail(name("x"), " has one entry: resampling needs at least two cases");
    if (cases.groups.empty()) return;
    checks::same_length(name("groups"), cases.groups.size(), "x", cases.x.size());
    if (std::all_of(cases.groups.begin(), cases.groups.end(), [&](std::size_t group) { return group == cases.groups[0]; })) {
        checks::fail(name("groups"), " names one group only: resampling needs at least two");
    }
}

/// Mean of one curve over another's weighted x.
double mean_over(const Curve& curve, const Curve& places, std::vector<double>& scratch) {
    scratch.resize(places.x.size());
    curve.predict_sorted(places.x, scratch);
    double sum = 0.0, total = 0.0;
    for (std::size_t i = 0; i < scratch.size(); ++i) {
        sum += places.weight[i] * scratch[i];
        total += places.weight[i];
    }
    return sum / total;
}

/// total, distribution, curve
std::array<double, 3> parts(const Curve& first, const Curve& second, std::vector<double>& scratch) {
    const double own_first = first.mean(), own_second = second.mean();
    const double second_over_first = mean_over(second, first, scratch), first_over_second = mean_over(first, second, scratch);
    return {own_first - own_second, 0.5 * (own_first + second_over_first - first_over_second - own_second),
            0.5 * (own_first - second_over_first + first_over_second - own_second)};
}

double share_outside(std::span<const double> x, std::span<const double> range) {
    const auto [low, high] = std::minmax_element(range.begin(), range.end());
    return static_cast<double>(std::count_if(x.begin(), x.end(), [&](double value) { return value < *low || value > *high; })) /
           static_cast<double>(x.size());
}

}  // namespace

Decomposition decompose_following(const FollowingCases& first, const FollowingCases& second, double level,
                                  std::size_t replicates, std::uint64_t seed, unsigned threads) {
    check(first, "first");
    check(second, "second");
    checks::open_unit("level", level);
    if (replicates < 100) checks::fail("replicates is ", replicates, ": draw at least 100");
    if (first.groups.empty() != second.groups.empty()) {
        checks::fail("groups are given for one model only: give them for both, or for neither");
    }
    const std::size_t n = first.x.size();
    std::vector<std::size_t> codes(n + second.x.size());
    std::size_t units = codes.size();
    if (first.groups.empty()) {
        std::iota(codes.begin(), codes.end(), std::size_t{0});
    } else {
        std::vector<std::size_t> all(first.groups.begin(), first.groups.end());
        all.insert(all.end(), second.groups.begin(), second.groups.end());
        codes = detail::dense_codes(all, units);
    }
    const detail::ResampledIsotonic of_first(first.x, first.y, std::span(codes).first(n), false);
    const detail::ResampledIsotonic of_second(second.x, second.y, std::span(codes).subspan(n), false);
    Decomposition result;
    result.level = level;
    result.replicates = replicates;
    result.first_outside = share_outside(first.x, second.x);
    result.second_outside = share_outside(second.x, first.x);
    Curve a, b;
    detail::ResampledIsotonic::Scratch fitting;
    std::vector<double> scratch;
    of_first.fit({}, fitting, a);
    of_second.fit({}, fitting, b);
    const std::array<double, 3> estimate = parts(a, b, scratch);
    std::vector<std::array<double, 3>> drawn(replicates, estimate);
    parallel_for(replicates, threads, [&](std::size_t begin, std::size_t end) {
        Curve own_first, own_second;
        detail::ResampledIsotonic::Scratch own_fitting;
        std::vector<double> own_scratch;
        for (std::size_t r = begin; r < end; ++r) {
            const auto weights = detail::draw_groups(seed, r, units);
            // A replicate that leaves one model without a case says nothing: it keeps the estimate.
            if (of_first.fit(weights, own_fitting, own_first) && of_second.fit(weights, own_fitting, own_second)) {
                drawn[r] = parts(own_first, own_second, own_scratch);
            }
        }
    });
    std::vector<double> column(replicates);
    const auto part = [&](std::size_t k) {
        for (std::size_t r = 0; r < replicates; ++r) column[r] = drawn[r][k];
        std::sort(column.begin(), column.end());
        return Part{estimate[k], detail::sorted_quantile(column, 0.5 * (1.0 - level)),
                    detail::sorted_quantile(column, 0.5 * (1.0 + level))};
    };
    result.total = part(0);
    result.distribution = part(1);
    result.curve = part(2);
    return result;
}

}  // namespace modalconflict
