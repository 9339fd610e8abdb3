#include <modalconflict/core/logistic_fit.hpp>

#include "balance_methods.hpp"
#include "checks.hpp"
#include "lapse_logistic.hpp"
#include "standardised.hpp"

#include <Eigen/Core>

#include <algorithm>
#include <limits>
#include <vector>

namespace modalconflict {
namespace {

constexpr double kLightest = 1e-100, kHeaviest = 1e100;  // largest weight that can be scaled to one and back
constexpr double kManyTrials = 1e9;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

void check(std::span<const double> x, std::span<const double> y, std::span<const double> weights,
           const LogisticOptions& options, std::span<const std::size_t> groups) {
    checks::not_empty("x", x.size());
    checks::same_length("y", y.size(), "x", x.size());
    checks::finite("x", x);
    checks::within("y", y, 0.0, 1.0);
    checks::weights("weights", weights, x.size());
    if (!groups.empty()) {
        checks::same_length("groups", groups.size(), "x", x.size());
        if (std::all_of(groups.begin(), groups.end(), [&](std::size_t group) { return group == groups[0]; })) {
            checks::fail("groups names one group only: a clustered covariance needs at least two");
        }
    }
    if (!weights.empty()) {
        const double largest = *std::max_element(weights.begin(), weights.end());
        if (!(largest >= kLightest && largest <= kHeaviest)) {
            checks::fail("weights are at most ", largest, ": rescale them towards one");
        }
    }
    detail::check_curve(x, options);
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
    const Eigen::Matrix4d inverse = detail::inverse_information(solution, bounds);
    if (groups.empty()) return inverse;
    std::size_t count = 0;
    const std::vector<std::size_t> codes = detail::dense_codes(groups, count);  // a caller's code may be any number
    std::vector<Eigen::Vector4d> sums(count, Eigen::Vector4d::Zero());
    for (std::size_t i = 0; i < groups.size(); ++i) {
        const double weight = data.weight.empty() ? 1.0 : data.weight[i];
        sums[codes[i]] += weight * detail::score(data.x[i], data.y[i], solution.parameters);
    }
    Eigen::Matrix4d middle = Eigen::Matrix4d::Zero();
    for (const auto& sum : sums) middle += sum * sum.transpose();
    const double clusters = static_cast<double>(count);
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
    // The optimiser's tolerances are in units of log likelihood, which weights scale: it sees a largest weight of one or more.
    const double largest = weights.empty() ? 1.0 : *std::max_element(weights.begin(), weights.end());
    const double unit = largest < 1.0 || largest > kManyTrials ? largest : 1.0;
    std::vector<double> scaled(weights.begin(), weights.end());
    for (double& weight : scaled) weight /= unit;
    const detail::LapseData data{z, y, scaled, binary};
    const detail::LapseBounds bounds = detail::lapse_bounds(options);
    const auto evaluate_at = [&](const detail::LapseParameters& parameters) { return detail::evaluate(data, parameters); };
    const detail::LapseSolution solution = detail::maximise_from_many(evaluate_at, bounds, options.max_iterations);
    const Eigen::Matrix4d found = covariance(data, solution, bounds, groups);
    fit = detail::as_fit(solution, scale, bounds, options, groups.empty() ? Eigen::Matrix4d(found / unit) : found);
    fit.log_likelihood *= unit;
    fit.observations = x.size();
    fit.separated = is_separated(x, y, weights, options.increasing);
    return fit;
}

}  // namespace modalconflict
