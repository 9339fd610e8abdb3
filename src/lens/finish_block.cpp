#include "lens/tile_reduction.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace modalconflict::lens {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// A row's sums over the whole vocabulary, d = z − largest.
struct RowTotals {
    bool finite = true;
    double largest = -kInfinity;
    double rest = 0.0;  ///< Σ e − 1
    double de = 0.0;
    double dde = 0.0;
    double rest_square = 0.0;
    std::vector<double> powers;  ///< Σ e^α − 1
    double padding_mass = 0.0;

    [[nodiscard]] double sum() const { return 1.0 + rest; }
    [[nodiscard]] double log_sum() const { return std::log1p(rest); }
    /// log s − Σ d·e / s: both terms are non-negative, nothing cancels.
    [[nodiscard]] double entropy() const { return log_sum() - de / sum(); }
};

RowTotals merge_row(const ReductionPlan& plan, const BlockPartials& partials, std::int64_t row) {
    RowTotals totals;
    totals.powers.assign(plan.powers.size(), 0.0);
    const auto counts = [&](const Tile& tile) { return !(tile.padding && plan.drop_padding); };
    std::size_t holder = 0;
    for (std::size_t tile = 0; tile < plan.tiles.size(); ++tile) {
        const double largest = partials.at(tile, row).largest;
        if (!counts(plan.tiles[tile])) continue;
        if (std::isnan(largest) || largest == kInfinity) totals.finite = false;
        if (largest > totals.largest) {
            totals.largest = largest;
            holder = tile;
        }
    }
    if (totals.largest == -kInfinity) totals.finite = false;
    if (!totals.finite) return totals;

    double padding = 0.0;
    bool padding_broken = false;
    for (std::size_t tile = 0; tile < plan.tiles.size(); ++tile) {
        const TilePartial& part = partials.at(tile, row);
        if (part.largest == -kInfinity) continue;
        const double shift = static_cast<double>(part.largest) - totals.largest;
        const double weight = std::exp(shift);
        if (plan.tiles[tile].padding) {
            // Dropped padding may hold anything; its mass is then unknown, the rest is not touched.
            padding_broken = padding_broken || !std::isfinite(weight);
            padding += weight * (1.0 + part.rest);
        }
        if (!counts(plan.tiles[tile]) || weight == 0.0) continue;
        const double sum = 1.0 + part.rest;
        totals.rest += tile == holder ? part.rest : weight * sum;
        totals.de += weight * (part.de + shift * sum);
        totals.dde += weight * (part.dde + 2.0 * shift * part.de + shift * shift * sum);
        totals.rest_square += tile == holder ? part.rest_square : weight * weight * (1.0 + part.rest_square);
        const auto powers = partials.powers(tile, row);
        for (std::size_t i = 0; i < powers.size(); ++i) {
            totals.powers[i] += tile == holder ? powers[i] : std::exp(plan.powers[i] * shift) * (1.0 + powers[i]);
        }
    }
    const double mass = plan.drop_padding ? padding / (totals.sum() + padding) : padding / totals.sum();
    totals.padding_mass = padding_broken ? kNaN : mass;
    return totals;
}

/// KL(final ‖ row) = Σ p_f (log p_f − log p).
double divergence(const ReductionPlan& plan, const BlockPartials& partials, std::int64_t row, std::int64_t final_row,
                  const RowTotals& totals, const RowTotals& final_totals) {
    if (!totals.finite || !final_totals.finite) return kNaN;
    if (row == final_row) return 0.0;
    double cross = 0.0;
    for (std::size_t tile = 0; tile < plan.tiles.size(); ++tile) {
        if (plan.tiles[tile].padding && plan.drop_padding) continue;
        const TilePartial& part = partials.at(tile, row);
        const TilePartial& final_part = partials.at(tile, final_row);
        const double weight = std::exp(static_cast<double>(final_part.largest) - final_totals.largest);
        if (weight == 0.0) continue;
        const double shift = static_cast<double>(part.largest) - totals.largest;
        cross += weight * (part.cross + shift * (1.0 + final_part.rest));
    }
    const double sum = final_totals.sum();
    // Rounding of float32 sums may leave a hair below 0 where the two rows agree.
    return std::max(0.0, final_totals.de / sum - final_totals.log_sum() - cross / sum + totals.log_sum());
}

double power_total(const ReductionPlan& plan, const RowTotals& totals, double order) {
    const auto place = std::find(plan.powers.begin(), plan.powers.end(), order);
    return totals.powers[static_cast<std::size_t>(place - plan.powers.begin())];
}

double varentropy(const RowTotals& totals) {
    const double mean = totals.de / totals.sum();
    return std::max(0.0, totals.dde / totals.sum() - mean * mean);
}

double renyi(const ReductionPlan& plan, const RowTotals& totals, double alpha) {
    // Next to order 1 the quotient divides rounding by almost nothing; the first two terms of the series do better.
    constexpr double kNearShannon = 2e-3;
    if (std::abs(alpha - 1.0) < kNearShannon) return totals.entropy() + 0.5 * (1.0 - alpha) * varentropy(totals);
    if (std::isinf(alpha)) return totals.log_sum();
    return (std::log1p(power_total(plan, totals, alpha)) - alpha * totals.log_sum()) / (1.0 - alpha);
}

double tsallis(const ReductionPlan& plan, const RowTotals& totals, double order) {
    // Σ p^q = exp((1 − q) · H_q), H_q the Rényi entropy of the same order.
    if (order == 1.0) return totals.entropy();
    return std::expm1((1.0 - order) * renyi(plan, totals, order)) / (1.0 - order);
}

/// The best tokens of all lanes together.
std::vector<Candidate> best_of(std::span<const TileReducer> reducers, std::int64_t row, std::size_t k) {
    std::vector<Candidate> best;
    for (const TileReducer& reducer : reducers) {
        const auto held = reducer.best(row);
        best.insert(best.end(), held.begin(), held.end());
    }
    std::sort(best.begin(), best.end(), better);
    best.resize(std::min(best.size(), k));
    return best;
}

/// Entropy of the k best and of what remains as one more outcome.
double top_entropy(const RowTotals& totals, std::span<const Candidate> best, bool nothing_remains) {
    double entropy = 0.0;
    double remaining = best.empty() ? totals.sum() : totals.rest;
    for (std::size_t i = 0; i < best.size(); ++i) {
        const double d = static_cast<double>(best[i].logit) - totals.largest;
        const double e = std::exp(d);
        entropy += e / totals.sum() * (totals.log_sum() - d);
        if (i > 0) remaining -= e;
    }
    const double tail = remaining / totals.sum();
    return nothing_remains || tail <= 0.0 ? entropy : entropy - tail * std::log(tail);
}

double log_sum_exp(std::span<const float> logits) {
    if (logits.empty()) return kNaN;
    const double largest = *std::max_element(logits.begin(), logits.end());
    if (std::isinf(largest)) return largest;
    double sum = 0.0;
    for (const float logit : logits) sum += std::exp(logit - largest);
    return largest + std::log(sum);
}

void write_row(const RowTotals& totals, const ReductionPlan& plan, std::span<const Candidate> best,
               const LensOptions& options, std::size_t row, LensReads& reads) {
    const double sum = totals.sum();
    const double second =
        best.size() < 2 ? 0.0 : std::exp(static_cast<double>(best[1].logit) - totals.largest);
    reads.finite[row] = 1;
    reads.entropy[row] = totals.entropy();
    reads.varentropy[row] = varentropy(totals);
    reads.max_logit[row] = totals.largest;
    reads.log_normalizer[row] = totals.largest + totals.log_sum();
    reads.max_probability[row] = 1.0 / sum;
    reads.one_minus_max[row] = totals.rest / sum;
    reads.one_minus_margin[row] = (totals.rest + second) / sum;
    // s² − Σe² with s = 1 + rest: nothing near 1 is subtracted from 1.
    reads.gini[row] =
        std::max(0.0, (2.0 * totals.rest + totals.rest * totals.rest - totals.rest_square) / (sum * sum));
    reads.padding_mass[row] = totals.padding_mass;
    const std::size_t kept = std::min(best.size(), static_cast<std::size_t>(options.top_k));
    const bool all_kept = best.size() < static_cast<std::size_t>(plan.top_k) && kept == best.size();
    reads.top_k_entropy[row] = top_entropy(totals, best.first(kept), all_kept);
    for (std::size_t i = 0; i < kept; ++i) {
        reads.top_ids[row * static_cast<std::size_t>(options.top_k) + i] = best[i].id;
        reads.top_logits[row * static_cast<std::size_t>(options.top_k) + i] = best[i].logit;
    }
    for (std::size_t i = 0; i < options.renyi_alphas.size(); ++i) {
        reads.renyi[row * options.renyi_alphas.size() + i] = renyi(plan, totals, options.renyi_alphas[i]);
    }
    for (std::size_t i = 0; i < options.tsallis_orders.size(); ++i) {
        reads.tsallis[row * options.tsallis_orders.size() + i] = tsallis(plan, totals, options.tsallis_orders[i]);
    }
}

}  // namespace

void finish_block(const ReductionPlan& plan, const BlockPartials& partials, std::span<const TileReducer> reducers,
                  std::span<const std::int64_t> destination,
                  std::span<const std::pair<std::int64_t, std::int64_t>> slot_groups, const LensOptions& options,
                  LensReads& reads) {
    std::vector<RowTotals> totals;
    for (std::int64_t row = 0; row < plan.rows; ++row) totals.push_back(merge_row(plan, partials, row));
    const auto groups = static_cast<std::size_t>(reads.groups_per_row);
    for (std::size_t row = 0; row < destination.size(); ++row) {
        if (destination[row] < 0 || !totals[row].finite) continue;
        const auto local = static_cast<std::int64_t>(row);
        const auto target = static_cast<std::size_t>(destination[row]);
        const auto best = best_of(reducers, local, static_cast<std::size_t>(plan.top_k));
        write_row(totals[row], plan, best, options, target, reads);
        for (std::size_t group = 0; group < groups; ++group) {
            const auto [first, last] = slot_groups[row * groups + group];
            reads.chosen[target * groups + group] = log_sum_exp(
                std::span(partials.chosen_logits).subspan(static_cast<std::size_t>(first),
                                                          static_cast<std::size_t>(last - first)));
        }
        const std::int64_t other = plan.compared_with[row];
        if (other >= 0) {
            reads.kl_final[target] =
                divergence(plan, partials, local, other, totals[row], totals[static_cast<std::size_t>(other)]);
        }
    }
}

}  // namespace modalconflict::lens
