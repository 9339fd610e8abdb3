#include <modalconflict/core/uncertainty.hpp>

#include "checks.hpp"

#include <modalconflict/core/parallel.hpp>
#include <modalconflict/core/softmax_moments.hpp>

#include <algorithm>
#include <array>
#include <limits>

namespace modalconflict {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Rounding leaves an entropy at most this far outside its range; clamped so that the promise holds exactly.
constexpr double kProbabilityTolerance = 1e-6;

using Index = UncertaintyIndex;
constexpr std::array<UncertaintyIndexInfo, 15> kIndices = {{
    {Index::entropy, "entropy", "[0, log n] nats", 0.0, true, true},
    {Index::normalized_entropy, "normalized_entropy", "[0, 1]", 0.0, true, true},
    {Index::perplexity, "perplexity", "[1, n]", 1.0, true, true},
    {Index::max_prob, "max_prob", "[0, 1 - 1/n]", 0.0, true, true},
    {Index::margin, "margin", "[0, 1]", 0.0, true, true},
    {Index::surprisal, "surprisal", "[0, inf] nats", 0.0, true, true},
    {Index::top_k_entropy, "top_k_entropy", "[0, log(k + 1)] nats", 0.0, true, true},
    {Index::renyi, "renyi", "[0, log n] nats", 0.0, true, true},
    {Index::tsallis, "tsallis", "[0, (1 - n^(1-q)) / (q - 1)]", 0.0, true, true},
    {Index::gini, "gini", "[0, 1 - 1/n]", 0.0, true, true},
    {Index::varentropy, "varentropy", "[0, inf) nats^2", 0.0, true, true},
    {Index::energy, "energy", "(-inf, inf)", -kInfinity, false, false},
    {Index::candidate_entropy, "candidate_entropy", "[0, log(candidates)] nats", 0.0, true, true},
    {Index::off_candidate_mass, "off_candidate_mass", "[0, 1]", 0.0, true, true},
    {Index::calibrated_entropy, "calibrated_entropy", "[0, log n] nats", 0.0, true, true},
}};

/// The k largest values, descending.
template <class T>
std::vector<double> largest(std::span<const T> row, std::size_t k) {
    std::vector<T> best;
    best.reserve(k + 1);
    for (const T value : row) {
        if (best.size() == k && !(value > best.back())) continue;
        best.insert(std::upper_bound(best.begin(), best.end(), value, std::greater<>()), value);
        if (best.size() > k) best.pop_back();
    }
    return {best.begin(), best.end()};
}

/// log Σ p^order, exact near certainty.
template <class T>
double log_power_sum(std::span<const T> row, const SoftmaxMoments& base, double order) {
    return std::log1p(softmax_moments(row, order).excess) - order * std::log1p(base.excess);
}

template <class T>
double renyi(std::span<const T> row, const SoftmaxMoments& moments, double alpha) {
    if (alpha == kInfinity) return std::log1p(moments.excess);  // −log p₁
    if (alpha == 0.0) {
        return std::log(static_cast<double>(std::count_if(
            row.begin(), row.end(), [](T value) { return value > -std::numeric_limits<T>::infinity(); })));
    }
    // Near one the quotient cancels; the expansion around Shannon's entropy does not.
    if (std::abs(alpha - 1.0) < 1e-5) return moments.entropy() - 0.5 * (alpha - 1.0) * moments.varentropy();
    return log_power_sum(row, moments, alpha) / (1.0 - alpha);
}

template <class T>
double top_k_entropy(std::span<const T> row, const SoftmaxMoments& moments, int k) {
    const std::vector<double> top = largest(row, std::min(static_cast<std::size_t>(k), row.size()));
    const double log_sum = std::log1p(moments.excess);
    double tail = moments.excess, entropy = 0.0;  // tail in units of the largest probability
    for (std::size_t i = 0; i < top.size(); ++i) {
        const double d = top[i] - moments.max;
        if (i > 0) tail -= std::exp(d);
        if (d > -kInfinity) entropy += std::exp(d - log_sum) * (log_sum - d);
    }
    tail = top.size() == row.size() ? 0.0 : tail / moments.sum();
    return tail > 0.0 ? entropy - tail * std::log(tail) : entropy;
}

/// log Σ exp z over each candidate's variants, and over all of them together.
template <class T>
std::vector<double> candidate_masses(std::span<const T> row, const UncertaintyOptions& options) {
    std::vector<double> masses, variants;
    for (const auto& ids : options.candidates) {
        variants.clear();
        for (const std::ptrdiff_t id : ids) variants.push_back(static_cast<double>(row[static_cast<std::size_t>(id)]));
        const bool possible = std::any_of(variants.begin(), variants.end(), [](double z) { return z > -kInfinity; });
        masses.push_back(possible ? softmax_moments(std::span<const double>(variants)).log_sum_exp() : -kInfinity);
    }
    if (std::none_of(masses.begin(), masses.end(), [](double mass) { return mass > -kInfinity; })) {
        checks::fail("candidates have no probability at all: name tokens with a finite logit");
    }
    return masses;
}

template <class T>
double evaluate(std::span<const T> row, std::size_t row_number, Index index, const UncertaintyOptions& options) {
    const double scale = index == Index::calibrated_entropy ? 1.0 / options.temperature : 1.0;
    const SoftmaxMoments moments = softmax_moments(row, scale);
    const double n = static_cast<double>(row.size()), s = moments.sum(), log_n = std::log(n);
    switch (index) {
        case Index::entropy:
        case Index::calibrated_entropy: return std::min(moments.entropy(), log_n);
        case Index::normalized_entropy: return row.size() == 1 ? 0.0 : std::min(moments.entropy() / log_n, 1.0);
        case Index::perplexity: return std::exp(std::min(moments.entropy(), log_n));
        case Index::max_prob: return moments.excess / s;
        case Index::margin: {
            if (row.size() == 1) return 0.0;
            return std::min((moments.excess + std::exp(largest(row, 2)[1] - moments.max)) / s, 1.0);
        }
        case Index::surprisal: {
            const auto& targets = options.targets;
            const std::ptrdiff_t target = targets.size() == 1 ? targets[0] : targets[row_number];
            return moments.max - static_cast<double>(row[static_cast<std::size_t>(target)]) + std::log1p(moments.excess);
        }
        case Index::top_k_entropy: return top_k_entropy(row, moments, options.k);
        case Index::renyi: return std::clamp(renyi(row, moments, options.alpha), 0.0, log_n);
        case Index::tsallis: {
            if (std::abs(options.q - 1.0) < 1e-9) return moments.entropy();
            return std::max(0.0, -std::expm1(log_power_sum(row, moments, options.q)) / (options.q - 1.0));
        }
        case Index::gini: {
            const double e = moments.excess;  // 1 − Σ p² without subtracting from one
            return std::max(0.0, (2.0 * e + e * e - softmax_moments(row, 2.0).excess) / (s * s));
        }
        case Index::varentropy: return moments.varentropy();
        case Index::energy: return -moments.log_sum_exp();
        case Index::candidate_entropy: {
            return softmax_moments(std::span<const double>(candidate_masses(row, options))).entropy();
        }
        case Index::off_candidate_mass: {
            const double mass = softmax_moments(std::span<const double>(candidate_masses(row, options))).log_sum_exp();
            return std::clamp(-std::expm1(mass - moments.log_sum_exp()), 0.0, 1.0);
        }
    }
    checks::fail("the uncertainty index has no meaning: use one of the enumeration");
}

void check_id(std::string_view name, std::size_t where, std::ptrdiff_t id, std::size_t columns) {
    if (id < 0 || static_cast<std::size_t>(id) >= columns) {
        checks::fail(name, "[", where, "] is token ", id, ": the vocabulary has tokens 0 to ", columns - 1);
    }
}

void check_options(Index index, const UncertaintyOptions& options, std::size_t rows, std::size_t columns) {
    if (index == Index::top_k_entropy && options.k < 1) checks::fail("k is ", options.k, ": keep at least one token");
    if (index == Index::renyi && !(options.alpha >= 0.0)) checks::fail("alpha is ", options.alpha, ": use 0 or more");
    if (index == Index::tsallis && !(options.q > 0.0 && std::isfinite(options.q))) {
        checks::fail("q is ", options.q, ": use a finite positive order");
    }
    if (index == Index::calibrated_entropy && !(options.temperature > 0.0 && std::isfinite(options.temperature))) {
        checks::fail("temperature is ", options.temperature, ": use a finite positive number");
    }
    if (index == Index::surprisal) {
        if (options.targets.size() != 1 && options.targets.size() != rows) {
            checks::fail("targets has ", options.targets.size(), " entries for ", rows,
                         " rows: give one token id, or one a row");
        }
        for (std::size_t i = 0; i < options.targets.size(); ++i) check_id("targets", i, options.targets[i], columns);
    }
    if (index == Index::candidate_entropy || index == Index::off_candidate_mass) {
        const std::size_t needed = index == Index::candidate_entropy ? 2 : 1;
        if (options.candidates.size() < needed) {
            checks::fail("candidates has ", options.candidates.size(), " answers: give at least ", needed,
                         ", each a list of token ids");
        }
        std::vector<std::ptrdiff_t> seen;
        for (std::size_t i = 0; i < options.candidates.size(); ++i) {
            if (options.candidates[i].empty()) checks::fail("candidates[", i, "] is empty: give its token ids");
            for (const std::ptrdiff_t id : options.candidates[i]) {
                check_id("candidates", i, id, columns);
                seen.push_back(id);
            }
        }
        std::sort(seen.begin(), seen.end());
        if (const auto twice = std::adjacent_find(seen.begin(), seen.end()); twice != seen.end()) {
            checks::fail("candidates name token ", *twice, " twice: a token belongs to one answer");
        }
    }
}

/// Adds the row to the message of a row's own error.
template <class T>
double evaluate_row(std::span<const T> row, std::size_t number, Index index, const UncertaintyOptions& options) {
    try {
        return evaluate(row, number, index, options);
    } catch (const InvalidArgument& error) {
        throw InvalidArgument(checks::sentence("row ", number, ": ", error.what()));
    }
}

template <class T>
void evaluate_rows(std::span<const T> values, std::size_t columns, Index index, const UncertaintyOptions& options,
                   std::span<double> out, unsigned threads) {
    if (columns == 0) checks::fail("logits have no columns: the last axis is the vocabulary");
    checks::same_length("logits", values.size(), "rows x columns", out.size() * columns);
    check_options(index, options, out.size(), columns);
    parallel_for(out.size(), threads, [&](std::size_t begin, std::size_t end) {
        for (std::size_t row = begin; row < end; ++row) {
            out[row] = evaluate_row(values.subspan(row * columns, columns), row, index, options);
        }
    });
}

void log_of_probs(std::span<const double> probs, std::span<double> out) {
    double sum = 0.0;
    for (std::size_t i = 0; i < probs.size(); ++i) {
        if (!(probs[i] >= 0.0) || !std::isfinite(probs[i])) {
            checks::fail("probs[", i, "] is ", probs[i], ": probabilities are finite and not negative");
        }
        sum += probs[i];
        out[i] = std::log(probs[i]);
    }
    if (!(std::abs(sum - 1.0) <= kProbabilityTolerance)) {
        checks::fail("probs sum to ", sum, ": give probabilities that sum to 1 within 1e-6, or pass logits");
    }
}

}  // namespace

double entropy(std::span<const double> probs) {
    checks::not_empty("probs", probs.size());
    std::vector<double> logs(probs.size());
    log_of_probs(probs, logs);
    return std::min(softmax_moments(std::span<const double>(logs)).entropy(), std::log(static_cast<double>(probs.size())));
}

double entropy_from_logits(std::span<const float> logits) {
    return std::min(softmax_moments(logits).entropy(), std::log(static_cast<double>(logits.size())));
}

double entropy_from_logits(std::span<const double> logits) {
    return std::min(softmax_moments(logits).entropy(), std::log(static_cast<double>(logits.size())));
}

std::span<const UncertaintyIndexInfo> uncertainty_indices() { return kIndices; }

const UncertaintyIndexInfo& uncertainty_index_info(std::string_view name) {
    std::string known;
    for (const auto& info : kIndices) {
        if (info.name == name) return info;
        known += (known.empty() ? "" : ", ") + std::string(info.name);
    }
    checks::fail("'", name, "' is not an uncertainty index: use one of ", known);
}

void uncertainty_from_logits(std::span<const float> logits, std::size_t columns, UncertaintyIndex index,
                             const UncertaintyOptions& options, std::span<double> out, unsigned threads) {
    evaluate_rows(logits, columns, index, options, out, threads);
}

void uncertainty_from_logits(std::span<const double> logits, std::size_t columns, UncertaintyIndex index,
                             const UncertaintyOptions& options, std::span<double> out, unsigned threads) {
    evaluate_rows(logits, columns, index, options, out, threads);
}

void uncertainty_from_probs(std::span<const double> probs, std::size_t columns, UncertaintyIndex index,
                            const UncertaintyOptions& options, std::span<double> out, unsigned threads) {
    if (index == Index::energy) checks::fail("energy is not determined by probabilities: pass logits");
    if (columns == 0) checks::fail("probs have no columns: the last axis is the vocabulary");
    checks::same_length("probs", probs.size(), "rows x columns", out.size() * columns);
    check_options(index, options, out.size(), columns);
    parallel_for(out.size(), threads, [&](std::size_t begin, std::size_t end) {
        std::vector<double> logs(columns);
        for (std::size_t row = begin; row < end; ++row) {
            try {
                log_of_probs(probs.subspan(row * columns, columns), logs);
            } catch (const InvalidArgument& error) {
                throw InvalidArgument(checks::sentence("row ", row, ": ", error.what()));
            }
            out[row] = evaluate_row(std::span<const double>(logs), row, index, options);
        }
    });
}

}  // namespace modalconflict
