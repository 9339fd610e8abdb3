#include "resampled_isotonic.hpp"

#include <algorithm>
#include <numeric>

namespace modalconflict::detail {

ResampledIsotonic::ResampledIsotonic(std::span<const double> x, std::span<const double> y,
                                     std::span<const std::size_t> groups, bool increasing)
    : increasing_(increasing) {
    const std::size_t n = x.size();
    std::vector<std::size_t> order(n);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return x[a] != x[b] ? x[a] < x[b] : a < b; });
    y_.reserve(n);
    group_.reserve(n);
    for (std::size_t i = 0; i < n; ++i) {
        const std::size_t from = order[i], group = groups.empty() ? from : groups[from];
        if (x_.empty() || x_.back() != x[from]) {
            x_.push_back(x[from]);
            bin_begin_.push_back(i);
        }
        y_.push_back(y[from]);
        group_.push_back(static_cast<std::uint32_t>(group));
        group_count_ = std::max(group_count_, group + 1);
    }
    bin_begin_.push_back(n);
    // A bin joins the run before it if none of its values goes with the direction: no weights can then part the two.
    double last_extreme = 0.0;
    for (std::size_t bin = 0; bin < x_.size(); ++bin) {
        const auto begin = y_.begin() + static_cast<std::ptrdiff_t>(bin_begin_[bin]);
        const auto end = y_.begin() + static_cast<std::ptrdiff_t>(bin_begin_[bin + 1]);
        const auto [low, high] = std::minmax_element(begin, end);
        const bool joins = bin > 0 && (increasing_ ? *high <= last_extreme : *low >= last_extreme);
        if (!joins) run_begin_.push_back(bin_begin_[bin]);
        run_of_.push_back(static_cast<std::uint32_t>(run_begin_.size() - 1));
        last_extreme = increasing_ ? *low : *high;
    }
    run_begin_.push_back(n);
}

bool ResampledIsotonic::pool_runs(std::span<const std::uint32_t> drawn, Scratch& scratch) const {
    const std::size_t runs = run_begin_.size() - 1;
    if (drawn.empty()) {
        scratch.group_weight.assign(group_count_, 1.0);
    } else {
        scratch.group_weight.assign(drawn.begin(), drawn.end());
    }
    scratch.sum.resize(runs);
    scratch.weight.resize(runs);
    scratch.kept.resize(runs);
    scratch.value.resize(runs);
    const double* group_weight = scratch.group_weight.data();
    std::size_t kept = 0;
    for (std::size_t run = 0; run < runs; ++run) {
        double sum = 0.0, weight = 0.0;
        for (std::size_t i = run_begin_[run]; i < run_begin_[run + 1]; ++i) {
            const double own = group_weight[group_[i]];
            weight += own;
            sum += own * y_[i];
        }
        // Every entry is written and only those of positive weight are kept: no branch that resampling makes unpredictable.
        scratch.sum[kept] = sum;
        scratch.weight[kept] = weight;
        scratch.kept[kept] = run;
        kept += weight > 0.0 ? 1 : 0;
    }
    if (kept == 0) return false;
    pava_of_sums(std::span(scratch.sum).first(kept), std::span(scratch.weight).first(kept), increasing_, scratch.blocks);
    for (const Block& block : scratch.blocks) {
        for (std::size_t k = block.begin; k < block.end; ++k) scratch.value[scratch.kept[k]] = block.mean;
    }
    return true;
}

double ResampledIsotonic::weight_of(std::size_t bin, const Scratch& scratch) const {
    double weight = 0.0;
    for (std::size_t i = bin_begin_[bin]; i < bin_begin_[bin + 1]; ++i) weight += scratch.group_weight[group_[i]];
    return weight;
}

bool ResampledIsotonic::fit(std::span<const std::uint32_t> drawn, Scratch& scratch, Curve& curve) const {
    curve.x.clear();
    curve.y.clear();
    curve.weight.clear();
    if (!pool_runs(drawn, scratch)) return false;
    for (std::size_t bin = 0; bin < x_.size(); ++bin) {
        const double weight = weight_of(bin, scratch);
        if (weight == 0.0) continue;
        curve.x.push_back(x_[bin]);
        curve.y.push_back(scratch.value[run_of_[bin]]);
        curve.weight.push_back(weight);
    }
    return true;
}

ResampledIsotonic::Places ResampledIsotonic::locate(std::span<const double> queries) const {
    Places places{{queries.begin(), queries.end()}, {}};
    places.right.reserve(queries.size());
    for (const double query : queries) {
        places.right.push_back(static_cast<std::size_t>(std::lower_bound(x_.begin(), x_.end(), query) - x_.begin()));
    }
    return places;
}

bool ResampledIsotonic::fit_at(std::span<const std::uint32_t> drawn, const Places& places, Scratch& scratch,
                               std::span<double> out) const {
    if (!pool_runs(drawn, scratch)) return false;
    const std::size_t bins = x_.size();
    std::size_t left = 0, right = 0;  // distinct x of positive weight around the query: left − 1 and right
    for (std::size_t q = 0; q < places.query.size(); ++q) {
        const double query = places.query[q];
        // A neighbour found for an earlier query that still lies right of this one is its neighbour too.
        if (q == 0 || right < places.right[q]) {
            left = right = places.right[q];
            while (right < bins && weight_of(right, scratch) == 0.0) ++right;
            while (left > 0 && weight_of(left - 1, scratch) == 0.0) --left;
        }
        if (left == 0 || (right < bins && x_[right] == query)) {
            out[q] = scratch.value[run_of_[right]];
        } else if (right == bins) {
            out[q] = scratch.value[run_of_[left - 1]];
        } else {
            const double before = scratch.value[run_of_[left - 1]], after = scratch.value[run_of_[right]];
            out[q] = before + (query - x_[left - 1]) / (x_[right] - x_[left - 1]) * (after - before);
        }
    }
    return true;
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
    for (std::size_t i = 0; i < x.size(); ++i) {
        sum += weight[i] * y[i];
        total += weight[i];
    }
    return sum / total;
}

}  // namespace modalconflict::detail
