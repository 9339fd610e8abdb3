#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
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

}  // namespace modalconflict
