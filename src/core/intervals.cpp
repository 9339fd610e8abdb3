#include "intervals.hpp"

#include "normal.hpp"

#include <Eigen/Core>

#include <algorithm>
#include <cmath>
#include <limits>

namespace modalconflict::detail {

double sorted_quantile(std::span<const double> sorted, double probability) {
    const double position = std::clamp(probability, 0.0, 1.0) * static_cast<double>(sorted.size() - 1);
    const auto index = static_cast<std::size_t>(position);
    const double share = position - static_cast<double>(index);
    const double left = sorted[index];
    if (share == 0.0) return left;
    const double right = sorted[index + 1];
    if (left == right) return left;  // also for two equal infinities
    // Between a number and infinity there is no number: the bound is open.
    if (std::isinf(left) || std::isinf(right)) return std::isinf(left) && probability > 0.5 ? right : std::isinf(left) ? left : right;
    return left + share * (right - left);
}

std::array<double, 2> bca_probabilities(std::span<const double> sorted, double estimate,
                                        std::span<const double> influence, double level) {
    const auto below = std::lower_bound(sorted.begin(), sorted.end(), estimate) - sorted.begin();
    const auto not_above = std::upper_bound(sorted.begin(), sorted.end(), estimate) - sorted.begin();
    const double count = static_cast<double>(sorted.size());
    const double share =
        std::clamp(0.5 * static_cast<double>(below + not_above) / count, 0.5 / count, 1.0 - 0.5 / count);
    double square = 0.0, cube = 0.0;
    for (const double push : influence) {
        square += push * push;
        cube += push * push * push;
    }
    const double bias = normal_quantile(share);
    const double acceleration = square > 0.0 ? cube / (6.0 * std::pow(square, 1.5)) : 0.0;
    const auto adjusted = [&](double probability) {
        const double z = bias + normal_quantile(probability);
        return normal_cdf(bias + z / (1.0 - acceleration * z));
    };
    return {adjusted(0.5 * (1.0 - level)), adjusted(0.5 * (1.0 + level))};
}

std::array<double, 2> fieller_interval(const LogisticFit& fit, double level) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    const Eigen::Map<const Eigen::Matrix<double, 4, 4, Eigen::RowMajor>> covariance(fit.covariance.data());
    const double above = 0.5 - fit.lower_lapse, below = 0.5 - fit.upper_lapse;
    // η(θ) − log(above/below) is linear in the parameters near the fit; its first part has this gradient.
    const Eigen::Vector4d direction(1.0, 0.0, 1.0 / above, -1.0 / below);
    const double a = fit.intercept - std::log(above / below), b = fit.slope;
    const double v_aa = direction.dot(covariance * direction), v_ab = direction.dot(covariance.col(1)), v_bb = covariance(1, 1);
    const double z = normal_quantile(0.5 * (1.0 + level)), t = z * z;
    const double square = b * b - t * v_bb, half = a * b - t * v_ab, constant = a * a - t * v_aa;
    const double discriminant = half * half - square * constant;
    if (!(square > 0.0) || !(discriminant >= 0.0)) return {-kInfinity, kInfinity};
    const double root = std::sqrt(discriminant);
    return {(-half - root) / square, (-half + root) / square};
}

}  // namespace modalconflict::detail
