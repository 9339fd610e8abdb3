#pragma once

#include <cstdint>

/// First number of each random stream's path: no two kinds of draw ever share a stream.
namespace modalconflict::dataset::streams {

inline constexpr std::uint64_t kAnswers = 1;
inline constexpr std::uint64_t kShapes = 2;
inline constexpr std::uint64_t kGroup = 3;
inline constexpr std::uint64_t kScene = 4;
inline constexpr std::uint64_t kText = 5;
inline constexpr std::uint64_t kControl = 6;
inline constexpr std::uint64_t kAttributeGroup = 7;
inline constexpr std::uint64_t kAttributeScene = 8;
inline constexpr std::uint64_t kAttributeText = 9;

}  // namespace modalconflict::dataset::streams
