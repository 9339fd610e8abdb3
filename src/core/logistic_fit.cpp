#include <modalconflict/core/logistic_fit.hpp>

#include "checks.hpp"
#include "lapse_logistic.hpp"
#include "standardised.hpp"

#include <Eigen/LU>

#include <algorithm>
#include <limits>
#include <vector>

namespace modalconflict {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

void check(std::span<const double> x, std::span<const double> y, std::span<const double> weights,
           const LogisticOptions& options, std::span<const std::size_t> groups) {
    checks::not_empty("x", x.size());
    checks::same_length("y", y.size(), "x", x.size());
    checks::finite("x", x);
    checks::within("y", y, 0.0, 1.0);
    checks::weights("weights", weights, x.size());
    if (!groups.empty()) checks::same_length("groups", groups.size(), "x", x.size());
    if (std::all_of(x.begin(), x.end(), [&](double value) { return value == x[0]; })) {
        checks::fail("x has one distinct value, ", x[0], ": a curve needs at least two");
    }
    if (!(options.max_lapse >= 0.0 && options.max_lapse < 0.5)) {
        checks::fail("max_lapse is ", options.max_lapse, ": use a number within [0, 0.5)");
    }
    const auto fixed = [](std::string_view name, const std::optional<double>& lapse) {
        if (lapse && !(*lapse >= 0.0 && *lapse < 0.5)) {
            checks::fail(name, " is ", *lapse, ": hold it within [0, 0.5) or leave it free");
        }
    };
    fixed("lower_lapse", options.lower_lapse);
    fixed("upper_lapse", options.upper_lapse);
    if (options.max_iterations < 1) checks::fail("max_iterations is ", options.max_iterations, ": allow at least one");
}

bool is_separated(std::span<const double> x, std::span<const double> y, std::span<const double> weights,
                  bool increasing) {
    double last_one = -kInfinity, first_zero = kInfinity;
    for (std::size_t i = 0; i < x.size(); ++i) {
        if (!weights.empty() && weights[i] == 0.0) continue;
        const double at = increasing ? -x[i] : x[i];
        if (y[i] > 0.0) last_one = std::max(last_one, at);
        if (y[i] < 1.0) first_zero = std::min(first_zero, at);
    }
    return last_one < first_zero && std::isfinite(last_one) && std::isfinite(first_zero);
}

/// Inverse information, or the sandwich around the groups' summed scores, over the parameters that move.
Eigen::Matrix4d covariance(const detail::LapseData& data, const detail::LapseSolution& solution,
                           const detail::LapseBounds& bounds, std::span<const std::size_t> groups) {
    const auto free = detail::free_parameters(solution.parameters, solution.state.gradient, bounds);
    Eigen::Matrix4d information = Eigen::Matrix4d::Identity();
    Eigen::Matrix4d select = Eigen::Matrix4d::Zero();
    for (Eigen::Index i = 0; i < 4; ++i) {
        if (!free[static_cast<std::size_t>(i)]) continue;
        select(i, i) = 1.0;
        for (Eigen::Index j = 0; j < 4; ++j) {
            if (free[static_cast<std::size_t>(j)]) information(i, j) = solution.state.information(i, j);
        }
    }
    const Eigen::FullPivLU<Eigen::Matrix4d> lu(information);
    if (!lu.isInvertible()) return Eigen::Matrix4d::Constant(std::numeric_limits<double>::quiet_NaN());
    const Eigen::Matrix4d inverse = select * lu.inverse() * select;
    if (groups.empty()) return inverse;
    const std::size_t count = 1 + *std::max_element(groups.begin(), groups.end());
    std::vector<Eigen::Vector4d> sums(count, Eigen::Vector4d::Zero());
    std::vector<bool> seen(count, false);
    for (std::size_t i = 0; i < groups.size(); ++i) {
        const double weight = data.weight.empty() ? 1.0 : data.weight[i];
        sums[groups[i]] += weight * detail::score(data.x[i], data.y[i], solution.parameters);
        seen[groups[i]] = true;
    }
    Eigen::Matrix4d middle = Eigen::Matrix4d::Zero();
    for (const auto& sum : sums) middle += sum * sum.transpose();
    const double clusters = static_cast<double>(std::count(seen.begin(), seen.end(), true));
    return inverse * (clusters / std::max(clusters - 1.0, 1.0) * middle) * inverse;
}

}  // namespace

double LogisticFit::predict(double query) const {
    if (std::isnan(query)) checks::fail("x is nan: a prediction needs a number");
    const double eta = slope == 0.0 ? intercept : intercept + slope * query;
    return lower_lapse + (1.0 - lower_lapse - upper_lapse) / (1.0 + std::exp(-eta));
}

std::optional<double> LogisticFit::threshold(double level) const {
    if (std::isnan(level)) checks::fail("level is nan: a threshold needs a number");
    const double at = detail::crossing({intercept, slope, lower_lapse, upper_lapse}, level);
    return std::isnan(at) ? std::nullopt : std::optional(at);
}

LogisticFit logistic_fit(std::span<const double> x, std::span<const double> y, std::span<const double> weights,
                         const LogisticOptions& options, std::span<const std::size_t> groups) {
    check(x, y, weights, options, groups);
    LogisticFit fit;
    fit.increasing = options.increasing;
    fit.observations = x.size();
    const auto all = [&](double value) { return std::all_of(y.begin(), y.end(), [&](double v) { return v == value; }); };
    if (all(0.0) || all(1.0)) {
        // The likelihood rises for ever: a flat curve at its ceiling or floor is its limit.
        fit.lower_lapse = options.lower_lapse.value_or(0.0);
        fit.upper_lapse = options.upper_lapse.value_or(0.0);
        fit.intercept = all(1.0) ? kInfinity : -kInfinity;
        fit.location = std::numeric_limits<double>::quiet_NaN();
        fit.width = kInfinity;
        fit.converged = true;
        return fit;
    }
    const detail::Standardised scale = detail::Standardised::of(x);
    const std::vector<double> z = scale.apply(x);
    const bool binary = std::all_of(y.begin(), y.end(), [](double v) { return v == 0.0 || v == 1.0; });
    const detail::LapseData data{z, y, weights, binary};
    const detail::LapseBounds bounds = detail::lapse_bounds(options);
    const detail::LapseSolution solution = detail::maximise_from_many(data, bounds, options.max_iterations);
    const auto& t = solution.parameters;
    fit.slope = t[1] / scale.spread;
    fit.intercept = t[0] - t[1] * scale.centre / scale.spread;
    fit.lower_lapse = t[2];
    fit.upper_lapse = t[3];
    fit.width = fit.slope == 0.0 ? kInfinity : 1.0 / std::abs(fit.slope);
    fit.location = fit.slope == 0.0 ? std::numeric_limits<double>::quiet_NaN() : -fit.intercept / fit.slope;
    fit.log_likelihood = solution.state.log_likelihood;
    fit.converged = solution.converged;
    fit.separated = is_separated(x, y, weights, options.increasing);
    const auto capped = [&](std::size_t i) { return bounds.low[i] < bounds.high[i] && t[i] >= bounds.high[i]; };
    fit.lapse_at_bound = options.max_lapse > 0.0 && (capped(2) || capped(3));
    Eigen::Matrix4d back = Eigen::Matrix4d::Identity();
    back(0, 1) = -scale.centre / scale.spread;
    back(1, 1) = 1.0 / scale.spread;
    const Eigen::Matrix4d spread = back * covariance(data, solution, bounds, groups) * back.transpose();
    Eigen::Map<Eigen::Matrix<double, 4, 4, Eigen::RowMajor>>(fit.covariance.data()) = spread;
    return fit;
}

}  // namespace modalconflict
