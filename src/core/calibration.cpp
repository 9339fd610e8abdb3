#include <modalconflict/core/calibration.hpp>

#include "checks.hpp"

#include <modalconflict/core/parallel.hpp>
#include <modalconflict/core/softmax_moments.hpp>

#include <algorithm>
#include <vector>

namespace modalconflict {
namespace {

constexpr double kSmallestInverse = 1e-3, kLargestInverse = 1e3;  // of the temperature
constexpr double kTolerance = 1e-10;
constexpr int kMostSteps = 200;

/// Mean surprisal of the targets at inverse temperature β, with its first two derivatives by β.
struct Surprisal {
    double value, slope, curvature;
};

template <class T>
struct Rows {
    std::span<const T> logits;
    std::size_t columns;
    std::span<const std::ptrdiff_t> targets;
    unsigned threads;

    [[nodiscard]] std::span<const T> row(std::size_t i) const { return logits.subspan(i * columns, columns); }
    [[nodiscard]] double target(std::size_t i) const {
        return static_cast<double>(row(i)[static_cast<std::size_t>(targets[i])]);
    }

    [[nodiscard]] Surprisal surprisal(double beta) const {
        const std::size_t n = targets.size();
        std::vector<Surprisal> each(n);
        parallel_for(n, threads, [&](std::size_t begin, std::size_t end) {
            for (std::size_t i = begin; i < end; ++i) {
                const SoftmaxMoments moments = softmax_moments(row(i), beta);
                const double mean = moments.first / moments.sum();  // E[β(z − m)]
                const double gap = moments.max - beta * target(i);
                each[i] = {gap + std::log1p(moments.excess), (gap + mean) / beta, moments.varentropy() / (beta * beta)};
            }
        });
        // Summed in order: the same for any number of threads.
        Surprisal total{};
        for (const Surprisal& one : each) {
            total.value += one.value / static_cast<double>(n);
            total.slope += one.slope / static_cast<double>(n);
            total.curvature += one.curvature / static_cast<double>(n);
        }
        return total;
    }

    [[nodiscard]] double calibration_error(double beta, std::size_t bins) const {
        const std::size_t n = targets.size();
        std::vector<double> confidence(n), correct(n);
        parallel_for(n, threads, [&](std::size_t begin, std::size_t end) {
            for (std::size_t i = begin; i < end; ++i) {
                const auto logits_of_row = row(i);
                confidence[i] = 1.0 / softmax_moments(logits_of_row, beta).sum();
                const auto best = std::max_element(logits_of_row.begin(), logits_of_row.end()) - logits_of_row.begin();
                correct[i] = best == targets[i] ? 1.0 : 0.0;
            }
        });
        return expected_calibration_error(confidence, correct, bins);
    }
};

template <class T>
Calibration fit(const Rows<T>& rows, std::size_t bins) {
    checks::not_empty("targets", rows.targets.size());
    if (rows.columns == 0) checks::fail("logits have no columns: the last axis is the vocabulary");
    checks::same_length("logits", rows.logits.size(), "targets x columns", rows.targets.size() * rows.columns);
    if (bins == 0) checks::fail("bins is 0: use at least one");
    for (std::size_t i = 0; i < rows.targets.size(); ++i) {
        const std::ptrdiff_t target = rows.targets[i];
        if (target < 0 || static_cast<std::size_t>(target) >= rows.columns) {
            checks::fail("targets[", i, "] is token ", target, ": the vocabulary has tokens 0 to ", rows.columns - 1);
        }
        try {
            static_cast<void>(softmax_moments(rows.row(i)));
        } catch (const InvalidArgument& error) {
            throw InvalidArgument(checks::sentence("row ", i, ": ", error.what()));
        }
        if (!std::isfinite(rows.target(i))) {
            checks::fail("row ", i, ": the target's logit is -inf, so that no temperature makes it possible; leave the row out");
        }
    }
    Calibration result;
    result.rows = rows.targets.size();
    const Surprisal before = rows.surprisal(1.0);
    if (before.slope == 0.0 && before.curvature == 0.0) {
        checks::fail("logits are equal within every row: no temperature changes what they say");
    }
    // The mean surprisal is convex in β: Newton's steps inside a bracket that shrinks around the root of its slope. A slope
    // that has the same sign at both ends has no root: every answer is right, or the logits say nothing about them.
    double low = kSmallestInverse, high = kLargestInverse, beta = 1.0;
    Surprisal now = before;
    const Surprisal at_low = rows.surprisal(low), at_high = rows.surprisal(high);
    result.at_bound = at_high.slope <= 0.0 || at_low.slope >= 0.0;
    if (result.at_bound) {
        beta = at_high.slope <= 0.0 ? high : low;
        now = at_high.slope <= 0.0 ? at_high : at_low;
    }
    for (int step = 0; !result.at_bound && step < kMostSteps && high / low > 1.0 + kTolerance; ++step) {
        if (now.slope == 0.0) break;
        (now.slope > 0.0 ? high : low) = beta;
        double next = now.curvature > 0.0 ? beta - now.slope / now.curvature : low;
        if (!(next > low && next < high)) next = std::sqrt(low * high);
        const bool settled = std::abs(next - beta) <= kTolerance * beta;
        beta = next;
        now = rows.surprisal(beta);
        if (settled) break;
    }
    result.temperature = 1.0 / beta;
    result.nll_before = before.value;
    result.nll_after = now.value;
    result.ece_before = rows.calibration_error(1.0, bins);
    result.ece_after = rows.calibration_error(beta, bins);
    return result;
}

}  // namespace

Calibration fit_temperature(std::span<const float> logits, std::size_t columns, std::span<const std::ptrdiff_t> targets,
                            std::size_t bins, unsigned threads) {
    return fit(Rows<float>{logits, columns, targets, threads}, bins);
}

Calibration fit_temperature(std::span<const double> logits, std::size_t columns,
                            std::span<const std::ptrdiff_t> targets, std::size_t bins, unsigned threads) {
    return fit(Rows<double>{logits, columns, targets, threads}, bins);
}

double expected_calibration_error(std::span<const double> confidence, std::span<const double> correct,
                                  std::size_t bins) {
    checks::not_empty("confidence", confidence.size());
    checks::same_length("correct", correct.size(), "confidence", confidence.size());
    checks::within("confidence", confidence, 0.0, 1.0);
    checks::within("correct", correct, 0.0, 1.0);
    if (bins == 0) checks::fail("bins is 0: use at least one");
    std::vector<double> gap(bins, 0.0);  // Σ (correct − confidence) of each bin
    for (std::size_t i = 0; i < confidence.size(); ++i) {
        // Bins are (lower, upper]; zero belongs to the first.
        const double position = std::ceil(confidence[i] * static_cast<double>(bins)) - 1.0;
        gap[static_cast<std::size_t>(std::max(position, 0.0))] += correct[i] - confidence[i];
    }
    double total = 0.0;
    for (const double sum : gap) total += std::abs(sum);
    return total / static_cast<double>(confidence.size());
}

}  // namespace modalconflict
