#pragma once

#include <modalconflict/dataset/vocabulary.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace modalconflict::dataset {

/// Coordinates and sides are integers in 1/16 pixel, so that a scene is the same numbers on every machine.
inline constexpr int kSubpixels = 16;

/// One flat figure. Its shape is inscribed in a square with the given side around the centre.
struct SceneObject {
    Shape shape = Shape::circle;
    Rgb color{};
    int center_x16 = 0;
    int center_y16 = 0;
    int side_x16 = 0;
    friend bool operator==(const SceneObject&, const SceneObject&) = default;
};

/// Figures on a white canvas, drawn back to front.
struct Scene {
    int width = 224;
    int height = 224;
    std::vector<SceneObject> objects;
    std::size_t target = 0;  ///< index of the object that is asked about
};

/// What the finished picture holds, measured on the masks (a pixel belongs to a figure that covers at least half of it).
struct SceneMeasure {
    int overlapping = 0;            ///< distractors that share at least one pixel with the target, both taken whole
    double visible_fraction = 1.0;  ///< share of the target's pixels that no figure in front of it hides
};

/// RGB, 8 bit, rows from the top, no padding: pixels has height·width·3 bytes.
struct Image {
    int width = 0;
    int height = 0;
    std::vector<std::uint8_t> pixels;
};

/// Draws the scene. Edges are antialiased by counting 4 × 4 samples a pixel, with integers throughout.
/// @throws InvalidArgument  if the canvas is not within 1..8192 or an object's side is not positive.
[[nodiscard]] Image render(const Scene& scene);

/// @throws InvalidArgument  if scene.target is not an object's index.
[[nodiscard]] SceneMeasure measure(const Scene& scene);

/// SHA-256 of the pixels, 64 lower-case hex digits: the identity of a picture whatever its file format.
[[nodiscard]] std::string pixel_sha256(const Image& image);

/// Writes a PNG under a temporary name, then renames it. @throws IoError naming the path.
void write_png(const Image& image, const std::string& path);

}  // namespace modalconflict::dataset
