#pragma once

#include <modalconflict/dataset/solid_scene.hpp>

#include <cmath>
#include <limits>

/// Rays and solids. Sums are written out in a fixed order, for the order in which Eigen adds is its own affair.
namespace modalconflict::dataset::ray {

using Vec = Eigen::Vector3d;
inline constexpr double kFar = std::numeric_limits<double>::infinity();

inline double dot(const Vec& a, const Vec& b) { return (a.x() * b.x() + a.y() * b.y()) + a.z() * b.z(); }
inline Vec cross(const Vec& a, const Vec& b) {
    return {a.y() * b.z() - a.z() * b.y(), a.z() * b.x() - a.x() * b.z(), a.x() * b.y() - a.y() * b.x()};
}
inline double length(const Vec& a) { return std::sqrt(dot(a, a)); }
inline Vec unit(const Vec& a) { return a * (1.0 / length(a)); }

struct Ray {
    Vec origin, direction;  // direction has length 1
};

/// A solid as rays meet it: its centre, its rotation about the vertical, its half height, and a ball around it.
struct Body {
    Solid solid = Solid::sphere;
    Vec center = Vec::Zero();
    double cosine = 1.0, sine = 0.0;
    double half = 1.0;
    double bound = 1.0;
};
[[nodiscard]] Body body_of(const SolidObject& object);

/// Distance at which the ray enters the body, or kFar.
[[nodiscard]] double enter(const Body& body, const Ray& ray);

/// Outward normal at a point of the surface; near an edge it leans over, which makes edges look rounded.
[[nodiscard]] Vec normal_at(const Body& body, const Vec& point);

/// The camera's axes and focal length in pixels.
struct View {
    Vec position, right, up, forward;
    double focal = 1.0, center_x = 0.0, center_y = 0.0;
    [[nodiscard]] Ray through(double x, double y) const;
};
[[nodiscard]] View view_of(const SolidScene& scene);

/// Pixels that a body may cover: columns left to right - 1, rows top to bottom - 1.
struct Window {
    int left = 0, top = 0, right = 0, bottom = 0;
    [[nodiscard]] bool holds(int x, int y) const { return x >= left && x < right && y >= top && y < bottom; }
};
[[nodiscard]] Window window_of(const SolidScene& scene, const View& view, const Body& body);

}  // namespace modalconflict::dataset::ray
