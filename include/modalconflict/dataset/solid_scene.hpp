#pragma once

#include <modalconflict/dataset/scene.hpp>

#include <Eigen/Core>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace modalconflict::dataset {

/// Objects of CLEVR (Johnson et al. 2017, arXiv 1612.06890): solids on a grey ground.
enum class Solid : std::uint8_t { sphere, cube, cylinder };
enum class Material : std::uint8_t { metal, rubber };  ///< metal mirrors its surroundings, rubber is matte
enum class SolidColor : std::uint8_t { gray, red, blue, green, brown, purple, cyan, yellow };
inline constexpr std::size_t kSolidCount = 3;
inline constexpr std::size_t kMaterialCount = 2;
inline constexpr std::size_t kSolidColorCount = 8;

[[nodiscard]] std::string_view name(Solid solid);
[[nodiscard]] std::string_view name(Material material);
[[nodiscard]] std::string_view name(SolidColor color);
[[nodiscard]] Rgb rgb(SolidColor color);

/// One object that stands on the ground z = 0. Lengths are in CLEVR's units: large objects have size 0.7, small ones 0.35.
struct SolidObject {
    Solid solid = Solid::sphere;
    Material material = Material::rubber;
    SolidColor color = SolidColor::gray;
    bool large = true;
    double x = 0.0;
    double y = 0.0;
    int rotation_degrees = 0;  ///< about the vertical, 0 to 359

    /// Half the height: the radius, or half a cube's edge, which is the size over the square root of 2.
    [[nodiscard]] double half_height() const;
    /// Radius of the footprint's circle.
    [[nodiscard]] double footprint() const;
    [[nodiscard]] Eigen::Vector3d center() const { return {x, y, half_height()}; }
};

/// A pinhole camera that looks at a point and keeps the horizon level.
struct Camera {
    Eigen::Vector3d position{7.4811, -6.5076, 5.3437};
    Eigen::Vector3d look_at{0.0, 0.0, 0.35};
    double focal_length = 35.0 / 32.0;  ///< in widths of the image
};

/// A spherical lamp.
struct Lamp {
    Eigen::Vector3d position{0.0, 0.0, 5.0};
    double radius = 0.5;  ///< 0 gives hard shadows
    double power = 1.0;
};

struct SolidScene {
    int width = 480;
    int height = 320;
    std::vector<SolidObject> objects;
    std::size_t target = 0;  ///< index of the object that is asked about
    Camera camera;
    std::vector<Lamp> lamps;
};

/// Axes of the ground as the camera sees them, unit vectors: CLEVR's "directions".
struct Directions {
    Eigen::Vector3d right, left, front, behind;
};
[[nodiscard]] Directions directions(const Camera& camera);

/// Pixel coordinates and depth of a point: CLEVR's pixel_coords, before rounding.
[[nodiscard]] Eigen::Vector3d project(const SolidScene& scene, const Eigen::Vector3d& point);

/// Objects that lie right, left, in front of and behind each object, in that order: CLEVR's "relationships".
[[nodiscard]] std::array<std::vector<std::vector<int>>, 4> relationships(const SolidScene& scene);

/// What a picture holds of one object.
struct SolidMeasure {
    int whole_pixels = 0;    ///< pixels whose centre it would cover alone
    int visible_pixels = 0;  ///< of them, those that nothing in front hides
    bool overlaps_target = false;
};
[[nodiscard]] std::vector<SolidMeasure> measure_solids(const SolidScene& scene);

/// Casts rays: Lambert and mirror surfaces, soft shadows, two reflections, edges antialiased by 3 x 3 rays a pixel. Only
/// additions, multiplications, divisions and square roots of IEEE 754 are used, so pixels are the same on every
/// machine. @throws InvalidArgument if the canvas is not within 16..4096.
[[nodiscard]] Image render_solids(const SolidScene& scene);

}  // namespace modalconflict::dataset
