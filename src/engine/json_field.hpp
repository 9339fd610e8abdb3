#pragma once

#include <modalconflict/error.hpp>

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace modalconflict {

/// One value of a JSON document together with its place, so that every complaint can name the field.
class JsonField {
public:
    JsonField(const nlohmann::json& value, std::string file, std::string place = "")
        : value_(&value), file_(std::move(file)), place_(std::move(place)) {}

    [[noreturn]] void fail(const std::string& wanted) const {
        std::string found = value_->dump(-1, ' ', true);  // ASCII alone: cutting it leaves no half character
        if (found.size() > 60) found = found.substr(0, 57) + "...";
        throw IoError("'" + file_ + "': " + (place_.empty() ? "the document" : "field '" + place_ + "'") + " must be " +
                      wanted + ", found " + found + "; export the model again");
    }

    [[nodiscard]] bool is_null() const { return value_->is_null(); }
    [[nodiscard]] bool has(const std::string& key) const {
        return value_->is_object() && value_->contains(key) && !(*value_)[key].is_null();
    }

    [[nodiscard]] JsonField at(const std::string& key) const {
        if (!value_->is_object()) fail("an object");
        const std::string place = place_.empty() ? key : place_ + "." + key;
        if (!value_->contains(key)) {
            throw IoError("'" + file_ + "': field '" + place + "' is missing; export the model again");
        }
        return {(*value_)[key], file_, place};
    }

    [[nodiscard]] std::string text(std::size_t max_length = 4096) const {
        if (!value_->is_string() || value_->get_ref<const std::string&>().size() > max_length) fail("a short string");
        return value_->get<std::string>();
    }

    [[nodiscard]] std::int64_t integer(std::int64_t low, std::int64_t high) const {
        const bool fits = value_->is_number_integer() &&
                          !(value_->is_number_unsigned() && value_->get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX));
        if (!fits || value_->get<std::int64_t>() < low || value_->get<std::int64_t>() > high) {
            fail("an integer from " + std::to_string(low) + " to " + std::to_string(high));
        }
        return value_->get<std::int64_t>();
    }

    [[nodiscard]] double number() const {
        if (!value_->is_number() || !std::isfinite(value_->get<double>())) fail("a finite number");
        return value_->get<double>();
    }

    [[nodiscard]] double positive() const {
        if (!(value_->is_number() && value_->get<double>() > 0.0)) fail("a positive number");
        return number();
    }

    [[nodiscard]] std::vector<JsonField> items(std::size_t max_count) const {
        if (!value_->is_array() || value_->size() > max_count) fail("a list");
        std::vector<JsonField> all;
        for (std::size_t i = 0; i < value_->size(); ++i) {
            all.emplace_back((*value_)[i], file_, place_ + "[" + std::to_string(i) + "]");
        }
        return all;
    }

    [[nodiscard]] std::vector<std::pair<std::string, JsonField>> members() const {
        if (!value_->is_object()) fail("an object");
        std::vector<std::pair<std::string, JsonField>> all;
        for (const auto& [key, entry] : value_->items()) {
            all.emplace_back(key, JsonField(entry, file_, place_.empty() ? key : place_ + "." + key));
        }
        return all;
    }

    [[nodiscard]] std::optional<std::string> optional_text(const std::string& key) const {
        return has(key) ? std::optional(at(key).text()) : std::nullopt;
    }

private:
    const nlohmann::json* value_;
    std::string file_;
    std::string place_;
};

}  // namespace modalconflict
