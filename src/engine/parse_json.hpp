#pragma once

#include <nlohmann/json.hpp>

#include <optional>
#include <string_view>

namespace modalconflict {

/// A JSON document from outside; nothing if it is none, or nested deeper than any of our formats: what copies or prints
/// a value calls itself once a level, and a file of nothing but brackets would run over the stack.
inline std::optional<nlohmann::json> parse_json(std::string_view text) {
    constexpr int kMaxDepth = 64;
    bool deep = false;
    const auto shallow = [&deep](int depth, nlohmann::json::parse_event_t, const nlohmann::json&) {
        deep = deep || depth > kMaxDepth;
        return !deep;
    };
    auto document = nlohmann::json::parse(text.begin(), text.end(), shallow, false);
    if (deep || document.is_discarded()) return std::nullopt;
    return document;
}

}  // namespace modalconflict
