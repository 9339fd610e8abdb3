#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace modalconflict::dataset {

/// The six answers of Color Recognition, in the order of the paper.
enum class Color : std::uint8_t { red, yellow, blue, green, purple, orange };
inline constexpr std::size_t kColorCount = 6;

/// Shapes that stay apart when they are a dozen pixels wide.
enum class Shape : std::uint8_t { circle, square, triangle, star, cross, diamond, heart, crescent, arrow, hexagon };
inline constexpr std::size_t kShapeCount = 10;

struct Rgb {
    std::uint8_t red, green, blue;
    friend bool operator==(const Rgb&, const Rgb&) = default;
};

[[nodiscard]] std::string_view name(Color color);
[[nodiscard]] std::string_view name(Shape shape);
[[nodiscard]] Rgb rgb(Color color);

/// @throws InvalidArgument  naming the known ones.
[[nodiscard]] Color color_from_name(std::string_view name);
[[nodiscard]] Shape shape_from_name(std::string_view name);

/// Things of the real world that are known for a colour and whose names hold no colour word, with their article:
/// "a sapphire". At least 12 a colour, from everyday to rare.
[[nodiscard]] std::span<const std::string_view> entities(Color color);

}  // namespace modalconflict::dataset
