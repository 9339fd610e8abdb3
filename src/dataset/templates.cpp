#include "dataset/templates.hpp"

#include <modalconflict/error.hpp>

namespace modalconflict::dataset {
namespace {

// ASCII only and on purpose: the C library's functions ask the locale.
constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
constexpr bool letter(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }
constexpr bool vowel(char c) { return std::string_view("aeiou").find(lower(c)) != std::string_view::npos; }

bool after_article(std::string_view text) {
    if (text.size() < 2 || text.back() != ' ' || lower(text[text.size() - 2]) != 'a') return false;
    return text.size() == 2 || !letter(text[text.size() - 3]);
}

bool starts_sentence(std::string_view text) {
    return text.empty() || (text.size() >= 2 && text.back() == ' ' && std::string_view(".!?").find(text[text.size() - 2]) != std::string_view::npos);
}

}  // namespace

std::string fill_template(std::string_view pattern, Placeholders values) {
    std::string text;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        if (pattern[i] == '}') throw InvalidArgument("template '" + std::string(pattern) + "': a } without its {; pair them");
        if (pattern[i] != '{') {
            text += pattern[i];
            continue;
        }
        const auto end = pattern.find('}', i);
        if (end == std::string_view::npos) throw InvalidArgument("template '" + std::string(pattern) + "': a { without its }; pair them");
        const std::string_view wanted = pattern.substr(i + 1, end - i - 1);
        const std::pair<std::string_view, std::string_view>* found = nullptr;
        std::string known;
        for (const auto& value : values) {
            if (value.first == wanted) found = &value;
            known += (known.empty() ? "{" : ", {") + std::string(value.first) + "}";
        }
        if (found == nullptr) {
            throw InvalidArgument("template '" + std::string(pattern) + "': placeholder {" + std::string(wanted) + "} is not known; use " + known);
        }
        std::string word(found->second);
        if (!word.empty() && vowel(word.front()) && after_article(text)) text.insert(text.size() - 1, 1, 'n');
        if (!word.empty() && starts_sentence(text) && word.front() >= 'a' && word.front() <= 'z') word.front() = static_cast<char>(word.front() - 'a' + 'A');
        text += word;
        i = end;
    }
    return text;
}

bool has_placeholder(std::string_view pattern, std::string_view name) {
    std::string wanted("{");
    wanted.append(name).append("}");
    return pattern.find(wanted) != std::string_view::npos;
}

bool has_word(std::string_view text, std::string_view word) {
    if (word.empty()) return false;
    for (std::size_t at = 0; at + word.size() <= text.size(); ++at) {
        bool same = true;
        for (std::size_t i = 0; i < word.size() && same; ++i) same = lower(text[at + i]) == lower(word[i]);
        const std::size_t end = at + word.size();
        if (same && (at == 0 || !letter(text[at - 1])) && (end == text.size() || !letter(text[end]))) return true;
    }
    return false;
}

}  // namespace modalconflict::dataset
