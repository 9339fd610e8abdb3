#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace modalconflict {

/// The class of one layer's top-1 token.
enum class LayerLabel : std::uint8_t { vision, text, irrelevant };

/// @throws InvalidArgument  for a word other than vision, text, irrelevant.
[[nodiscard]] LayerLabel layer_label_from_string(std::string_view name);

/// Switches between vision and text along the layers, the irrelevant ones dropped:
/// vision → irrelevant → text is one.
///
/// @param labels  Shape (layers,), in the order of depth. Empty gives 0.
/// Source: arXiv 2511.02243, concept oscillation.
[[nodiscard]] std::size_t count_oscillations(std::span<const LayerLabel> labels);

/// The same switches by the third of the depth (early, middle, late) in which they are completed: layer l of L
/// belongs to third floor(3 l / L). The three sum to count_oscillations.
[[nodiscard]] std::array<std::size_t, 3> count_oscillations_by_third(std::span<const LayerLabel> labels);

/// First layer from which the winner stays ahead.
///
/// @param lead  Shape (layers,): logit of the text's answer minus that of the image's, NaN not allowed.
/// @return      Index of the first layer after which the sign is that of the last layer throughout; empty where the
///              last layer is undecided (zero) or there is no layer.
[[nodiscard]] std::optional<std::size_t> commitment_layer(std::span<const double> lead);

/// Comparison of two kinds of cases by shuffling.
struct PermutationTest {
    double difference = 0.0;  ///< mean of the first kind minus mean of the second
    double p_value = 1.0;     ///< two-sided; the observed labelling counts as one shuffle
    std::size_t first = 0, second = 0;
    std::size_t permutations = 0;
};

/// Do ambiguous cases oscillate more than clear ones? Shuffles which cases are the first kind, within groups where given,
/// so that what the cases of a group share stays where it is.
///
/// @param values    Shape (n,): oscillations (or anything else) a case.
/// @param is_first  Shape (n,): non-zero marks the first kind; both kinds must occur.
/// @param groups    Shape (n,) or empty.
///
/// Source: Phipson & Smyth (2010), Permutation P-values Should Never Be Zero.
[[nodiscard]] PermutationTest permutation_test(std::span<const double> values, std::span<const std::uint8_t> is_first,
                                               std::span<const std::size_t> groups = {}, std::size_t permutations = 10000,
                                               std::uint64_t seed = 0, unsigned threads = 0);

}  // namespace modalconflict
