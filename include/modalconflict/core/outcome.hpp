#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace modalconflict {

/// What the multimodal run did with a conflict.
enum class Outcome {
    text,         ///< its answer is the text-only run's
    vision,       ///< its answer is the vision-only run's
    other,        ///< neither
    no_conflict,  ///< the two unimodal answers agree: there is nothing to choose
};

/// Compares three answers, already normalised, as classes.
///
/// @throws InvalidArgument  if a unimodal answer is empty: no class can be compared with it.
[[nodiscard]] Outcome classify_outcome(std::string_view multimodal, std::string_view text, std::string_view vision);

[[nodiscard]] std::string_view to_string(Outcome outcome);
/// @throws InvalidArgument  for a word that is no outcome.
[[nodiscard]] Outcome outcome_from_string(std::string_view name);

/// Counts of a study's outcomes.
struct OutcomeCounts {
    std::size_t text = 0;
    std::size_t vision = 0;
    std::size_t other = 0;
    std::size_t no_conflict = 0;

    /// TFR = text / (text + vision); NaN where no case followed either.
    [[nodiscard]] double text_following_rate() const;
};
[[nodiscard]] OutcomeCounts count_outcomes(std::span<const Outcome> outcomes);

/// TFR = #text / (#text + #vision) in [0, 1]; NaN where no case followed either modality.
/// Source: arXiv 2511.02243.
[[nodiscard]] double text_following_rate(std::span<const Outcome> outcomes);

}  // namespace modalconflict
