#pragma once

#include <cstddef>
#include <span>

namespace modalconflict {

/// Surprisal −Σ log p of an answer of several tokens, or its mean a token.
///
/// @param token_log_probs  Shape (tokens,), each at most zero; −inf gives infinity.
/// @param normalize        Divide by the number of tokens, so that answers of different lengths compare.
/// @throws InvalidArgument  if empty, positive or NaN, naming the index.
[[nodiscard]] double sequence_surprisal(std::span<const double> token_log_probs, bool normalize = true);

/// Entropy over classes of answers that mean the same, from the log probabilities of their wordings.
///
/// @param log_probs  Shape (answers,): log probability of each distinct wording; need not be normalised.
/// @param classes    Shape (answers,): class of each wording.
/// @return           Nats, over the classes' summed and renormalised probabilities.
///
/// Source: Kuhn, Gal & Farquhar (2023), Semantic Uncertainty; exact where the classes are known.
[[nodiscard]] double semantic_entropy(std::span<const double> log_probs, std::span<const std::size_t> classes);

}  // namespace modalconflict
