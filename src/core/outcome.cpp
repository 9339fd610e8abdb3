#include <modalconflict/core/outcome.hpp>

#include "checks.hpp"

#include <array>
#include <limits>

namespace modalconflict {
namespace {
constexpr std::array<std::string_view, 4> kNames = {"text", "vision", "other", "no_conflict"};
}

Outcome classify_outcome(std::string_view multimodal, std::string_view text, std::string_view vision) {
    if (text.empty()) checks::fail("y_text is empty: a case needs the text-only run's answer to be classified");
    if (vision.empty()) checks::fail("y_vision is empty: a case needs the vision-only run's answer to be classified");
    if (text == vision) return Outcome::no_conflict;
    if (multimodal == text) return Outcome::text;
    if (multimodal == vision) return Outcome::vision;
    return Outcome::other;
}

std::string_view to_string(Outcome outcome) { return kNames.at(static_cast<std::size_t>(outcome)); }

Outcome outcome_from_string(std::string_view name) {
    for (std::size_t i = 0; i < kNames.size(); ++i) {
        if (kNames[i] == name) return static_cast<Outcome>(i);
    }
    checks::fail("'", name, "' is not an outcome: use text, vision, other or no_conflict");
}

double OutcomeCounts::text_following_rate() const {
    const std::size_t followed = text + vision;
    if (followed == 0) return std::numeric_limits<double>::quiet_NaN();
    return static_cast<double>(text) / static_cast<double>(followed);
}

OutcomeCounts count_outcomes(std::span<const Outcome> outcomes) {
    OutcomeCounts counts;
    for (const Outcome outcome : outcomes) {
        switch (outcome) {
            case Outcome::text: ++counts.text; break;
            case Outcome::vision: ++counts.vision; break;
            case Outcome::other: ++counts.other; break;
            case Outcome::no_conflict: ++counts.no_conflict; break;
        }
    }
    return counts;
}

double text_following_rate(std::span<const Outcome> outcomes) { return count_outcomes(outcomes).text_following_rate(); }

}  // namespace modalconflict
