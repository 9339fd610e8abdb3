#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace modalconflict {

/// Shannon entropy of one answer distribution.
///
/// @param probs  Shape (n,), n >= 1. Non-negative, summing to 1 within 1e-6.
/// @return       Entropy in nats, within [0, log n]. Zero entries add nothing.
/// @throws InvalidArgument  if probs is empty, negative, NaN or unnormalised.
///
/// Source: Shannon (1948), A Mathematical Theory of Communication, section 6.
[[nodiscard]] double entropy(std::span<const double> probs);

/// Shannon entropy of softmax(logits) in nats, in one pass and without forming the probabilities.
///
/// @param logits  Shape (n,), n >= 1. −inf is allowed; NaN, +inf and a row of −inf only are not.
[[nodiscard]] double entropy_from_logits(std::span<const float> logits);
[[nodiscard]] double entropy_from_logits(std::span<const double> logits);

/// The closed-form indices of how unsure one distribution is.
enum class UncertaintyIndex {
    entropy,             ///< H = −Σ p log p
    normalized_entropy,  ///< H / log n
    perplexity,          ///< exp H
    max_prob,            ///< 1 − p₁
    margin,              ///< 1 − (p₁ − p₂)
    surprisal,           ///< −log p(target)
    top_k_entropy,       ///< entropy of the k largest probabilities and one bucket for the rest
    renyi,               ///< log Σ p^α / (1 − α)
    tsallis,             ///< (1 − Σ p^q) / (q − 1)
    gini,                ///< 1 − Σ p²
    varentropy,          ///< Var(−log p)
    energy,              ///< −log Σ exp z; moves with a shift of the logits
    candidate_entropy,   ///< entropy over the candidate answers' summed probabilities, renormalised
    off_candidate_mass,  ///< 1 − Σ of the candidate answers' probabilities
    calibrated_entropy,  ///< H of softmax(z / temperature)
};

/// What an index promises.
struct UncertaintyIndexInfo {
    UncertaintyIndex index;
    std::string_view name;
    std::string_view range;      ///< in words and symbols; n is the vocabulary's size
    double lower_bound;          ///< −inf where there is none
    bool shift_invariant;        ///< unchanged when a constant is added to every logit
    bool relative_applies;       ///< whether the relative difference ΔU_rel is meaningful: a non-negative index
};

/// Every index, in the order of the enumeration.
[[nodiscard]] std::span<const UncertaintyIndexInfo> uncertainty_indices();

/// @throws InvalidArgument  for an unknown name; the message lists the known ones.
[[nodiscard]] const UncertaintyIndexInfo& uncertainty_index_info(std::string_view name);

/// Parameters of the indices that have any; the others ignore them.
struct UncertaintyOptions {
    int k = 10;                ///< top_k_entropy: how many probabilities stay apart
    double alpha = 2.0;        ///< renyi: order, >= 0, infinity allowed; 1 is Shannon's entropy
    double q = 2.0;            ///< tsallis: order, > 0; 1 is Shannon's entropy
    double temperature = 1.0;  ///< calibrated_entropy: > 0
    /// surprisal: the token id of every row, shape (rows,), or one id for all rows.
    std::vector<std::ptrdiff_t> targets;
    /// candidate_entropy, off_candidate_mass: the token ids of every candidate answer (its variants are summed).
    std::vector<std::vector<std::ptrdiff_t>> candidates;
};

/// One index for every row of a matrix of logits.
///
/// @param logits   Row-major, shape (rows, columns); rows = out.size().
/// @param columns  Size of the vocabulary, >= 1.
/// @param out      Shape (rows,).
/// @param threads  0 takes every core. The result does not depend on it.
/// @throws InvalidArgument  naming the row and the token of a NaN or +inf, or an option out of range.
void uncertainty_from_logits(std::span<const float> logits, std::size_t columns, UncertaintyIndex index,
                             const UncertaintyOptions& options, std::span<double> out, unsigned threads = 0);
void uncertainty_from_logits(std::span<const double> logits, std::size_t columns, UncertaintyIndex index,
                             const UncertaintyOptions& options, std::span<double> out, unsigned threads = 0);

/// One index for every row of a matrix of probabilities, each row non-negative and summing to 1 within 1e-6.
/// Rows are renormalised. energy is refused: probabilities do not determine it.
void uncertainty_from_probs(std::span<const double> probs, std::size_t columns, UncertaintyIndex index,
                            const UncertaintyOptions& options, std::span<double> out, unsigned threads = 0);

}  // namespace modalconflict
