#include "resampled_isotonic.hpp"

#include <algorithm>
#include <numeric>

namespace modalconflict::detail {

ResampledIsotonic::ResampledIsotonic(std::span<const double> x, std::span<const double> y,
                                     std::span<const std::size_t> groups, bool increasing)
    : increasing_(increasing) {
    std::vector<std::size_t> order(x.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return x[a] != x[b] ? x[a] < x[b] : a < b; });
    x_.reserve(x.size());
    y_.reserve(x.size());
    group_.reserve(x.size());
    for (const std::size_t i : order) {
        x_.push_back(x[i]);
        y_.push_back(y[i]);
        group_.push_back(groups.empty() ? i : groups[i]);
    }
    distinct_ = std::adjacent_find(x_.begin(), x_.end()) == x_.end();
}

bool ResampledIsotonic::fit(std::span<const std::uint32_t> drawn, Curve& curve) const {
    const std::size_t n = x_.size();
    curve.x.resize(n);
    curve.y.resize(n);
    curve.weight.resize(n);
    std::size_t kept = 0;
    if (distinct_) {
        // Every entry is written and only those of positive weight are kept: no branch that resampling makes unpredictable.
        for (std::size_t i = 0; i < n; ++i) {
            const double weight = drawn.empty() ? 1.0 : drawn[group_[i]];
            curve.x[kept] = x_[i];
            curve.y[kept] = y_[i];
            curve.weight[kept] = weight;
            kept += weight > 0.0 ? 1 : 0;
        }
    } else {
        for (std::size_t i = 0; i < n; ++i) {
            const double weight = drawn.empty() ? 1.0 : drawn[group_[i]];
            if (weight == 0.0) continue;
            if (kept == 0 || curve.x[kept - 1] != x_[i]) {
                curve.x[kept] = x_[i];
                curve.y[kept] = y_[i];
                curve.weight[kept++] = weight;
            } else {
                double& total = curve.weight[kept - 1];
                total += weight;
                curve.y[kept - 1] += (y_[i] - curve.y[kept - 1]) * (weight / total);
            }
        }
    }
    curve.x.resize(kept);
    curve.y.resize(kept);
    curve.weight.resize(kept);
    if (curve.x.empty()) return false;
    pava(curve.y, curve.weight, increasing_, curve.blocks);
    for (const auto& block : curve.blocks) {
        std::fill(curve.y.begin() + static_cast<std::ptrdiff_t>(block.begin),
                  curve.y.begin() + static_cast<std::ptrdiff_t>(block.end), block.mean);
    }
    return true;
}

double ResampledIsotonic::Curve::predict(double query) const {
    double value = 0.0;
    predict_sorted({&query, 1}, {&value, 1});
    return value;
}

void ResampledIsotonic::Curve::predict_sorted(std::span<const double> queries, std::span<double> out) const {
    auto right = x.begin();
    for (std::size_t q = 0; q < queries.size(); ++q) {
        right = std::lower_bound(right, x.end(), queries[q]);
        const auto index = static_cast<std::size_t>(right - x.begin());
        if (index == 0 || (index < x.size() && x[index] == queries[q])) {
            out[q] = y[index];
        } else if (index == x.size()) {
            out[q] = y.back();
        } else {
            const double share = (queries[q] - x[index - 1]) / (x[index] - x[index - 1]);
            out[q] = y[index - 1] + share * (y[index] - y[index - 1]);
        }
    }
}

double ResampledIsotonic::Curve::mean() const {
    double sum = 0.0, total = 0.0;
    for (const auto& block : blocks) {
        sum += block.sum;
        total += block.weight;
    }
    return sum / total;
}

}  // namespace modalconflict::detail
