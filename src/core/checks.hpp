#pragma once

#include <modalconflict/error.hpp>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <sstream>
#include <string>
#include <string_view>

namespace modalconflict::checks {

/// One sentence from its parts.
template <class... Parts>
[[nodiscard]] std::string sentence(const Parts&... parts) {
    std::ostringstream out;
    out.precision(10);
    (out << ... << parts);
    return out.str();
}

template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
    throw InvalidArgument(sentence(parts...));
}

inline void same_length(std::string_view name, std::size_t length, std::string_view reference, std::size_t expected) {
    if (length != expected) {
        fail(name, " has ", length, " entries but ", reference, " has ", expected, ": give one entry for each");
    }
}

inline void not_empty(std::string_view name, std::size_t length) {
    if (length == 0) fail(name, " is empty: give at least one value");
}

inline void finite(std::string_view name, std::span<const double> values) {
    // The largest exponent marks infinity and NaN; one more carries it into the sign bit. Without a branch, so vectorised.
    constexpr std::uint64_t kMagnitude = 0x7fff'ffff'ffff'ffff, kOneExponent = 0x0010'0000'0000'0000;
    std::uint64_t carried = 0;
    for (const double value : values) carried |= (std::bit_cast<std::uint64_t>(value) & kMagnitude) + kOneExponent;
    if (carried <= kMagnitude) return;
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (!std::isfinite(values[i])) {
            fail(name, "[", i, "] is ", values[i], ": give finite numbers, leaving out the cases that have none");
        }
    }
}

inline void within(std::string_view name, std::span<const double> values, double low, double high) {
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (!(values[i] >= low && values[i] <= high)) {
            fail(name, "[", i, "] is ", values[i], ": give values within [", low, ", ", high, "]");
        }
    }
}

/// Empty, or one finite non-negative weight an observation with at least one positive.
inline void weights(std::string_view name, std::span<const double> values, std::size_t expected) {
    if (values.empty()) return;
    same_length(name, values.size(), "x", expected);
    bool positive = false;
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (!(values[i] >= 0.0) || !std::isfinite(values[i])) {
            fail(name, "[", i, "] is ", values[i], ": weights are finite and not negative");
        }
        positive = positive || values[i] > 0.0;
    }
    if (!positive) fail(name, " are all zero: give at least one positive weight");
}

inline void open_unit(std::string_view name, double value) {
    if (!(value > 0.0 && value < 1.0)) fail(name, " is ", value, ": give a number strictly between 0 and 1");
}

}  // namespace modalconflict::checks
