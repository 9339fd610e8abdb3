#include <modalconflict/core/oscillation.hpp>

#include "checks.hpp"

namespace modalconflict {
namespace {

/// Calls completed(layer) for every switch, at the layer that first shows the other class.
template <class Completed>
void for_each_switch(std::span<const LayerLabel> labels, Completed completed) {
    LayerLabel previous = LayerLabel::irrelevant;
    for (std::size_t layer = 0; layer < labels.size(); ++layer) {
        if (labels[layer] == LayerLabel::irrelevant) continue;
        if (previous != LayerLabel::irrelevant && previous != labels[layer]) completed(layer);
        previous = labels[layer];
    }
}

}  // namespace

LayerLabel layer_label_from_string(std::string_view name) {
    if (name == "vision") return LayerLabel::vision;
    if (name == "text") return LayerLabel::text;
    if (name == "irrelevant") return LayerLabel::irrelevant;
    checks::fail("'", name, "' is not a layer's label: use vision, text or irrelevant");
}

std::size_t count_oscillations(std::span<const LayerLabel> labels) {
    std::size_t count = 0;
    for_each_switch(labels, [&](std::size_t) { ++count; });
    return count;
}

std::array<std::size_t, 3> count_oscillations_by_third(std::span<const LayerLabel> labels) {
    std::array<std::size_t, 3> counts{};
    for_each_switch(labels, [&](std::size_t layer) { ++counts[3 * layer / labels.size()]; });
    return counts;
}

}  // namespace modalconflict
