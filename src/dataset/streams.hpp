#pragma once

#include <cstdint>

/// First number of each random stream's path: no two kinds of draw ever share a stream.
namespace modalconflict::dataset::streams {

inline constexpr std::uint64_t kAnswers = 1;
inline constexpr std::uint64_t kShapes = 2;
inline constexpr std::uint64_t kGroup = 3;
inline constexpr std::uint64_t kScene = 4;
inline constexpr std::uint64_t kText = 5;

}  // namespace modalconflict::dataset::streams
