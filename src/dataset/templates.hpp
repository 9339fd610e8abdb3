#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace modalconflict::dataset {

using Placeholders = std::initializer_list<std::pair<std::string_view, std::string_view>>;

/// Replaces every {name}; "a" before a word that starts with a vowel becomes "an", a sentence's first letter a capital.
/// @throws InvalidArgument  naming an unknown placeholder or a brace without its partner.
[[nodiscard]] std::string fill_template(std::string_view pattern, Placeholders values);

/// Whether the pattern holds {name}.
[[nodiscard]] bool has_placeholder(std::string_view pattern, std::string_view name);

/// Whether text holds word as a whole word, whatever the case of its ASCII letters.
[[nodiscard]] bool has_word(std::string_view text, std::string_view word);

}  // namespace modalconflict::dataset
