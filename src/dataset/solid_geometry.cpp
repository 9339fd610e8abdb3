#include "dataset/solid_geometry.hpp"

#include <algorithm>

namespace modalconflict::dataset::ray {
namespace {

constexpr double kBevel = 0.11;  // share of the half height over which an edge looks rounded

struct Turn {
    double cosine, sine;
};

// Taylor's series for angles up to 45 degrees, then symmetry: libraries' sines differ in the last bit.
Turn turn(int degrees) {
    const int quarter = ((degrees + 45) / 90) % 4;
    const double x = (degrees - 90 * ((degrees + 45) / 90)) * 0.017453292519943295769;
    const double x2 = x * x;
    const double s = x * (1.0 - x2 / 6.0 * (1.0 - x2 / 20.0 * (1.0 - x2 / 42.0 * (1.0 - x2 / 72.0 * (1.0 - x2 / 110.0 * (1.0 - x2 / 156.0))))));
    const double c = 1.0 - x2 / 2.0 * (1.0 - x2 / 12.0 * (1.0 - x2 / 30.0 * (1.0 - x2 / 56.0 * (1.0 - x2 / 90.0 * (1.0 - x2 / 132.0)))));
    switch (quarter) {
        case 0: return {c, s};
        case 1: return {-s, c};
        case 2: return {-c, -s};
        default: return {s, -c};
    }
}

Vec to_local(const Body& body, const Vec& v) {
    return {body.cosine * v.x() + body.sine * v.y(), body.cosine * v.y() - body.sine * v.x(), v.z()};
}
Vec to_world(const Body& body, const Vec& v) {
    return {body.cosine * v.x() - body.sine * v.y(), body.cosine * v.y() + body.sine * v.x(), v.z()};
}

// Away from zero, so that no division gives a NaN.
double safe(double v) { return std::abs(v) < 1e-12 ? (v < 0.0 ? -1e-12 : 1e-12) : v; }

double enter_cube(const Vec& o, const Vec& d, double half) {
    double in = -kFar, out = kFar;
    for (int axis = 0; axis < 3; ++axis) {
        const double inverse = 1.0 / safe(d[axis]);
        const double a = (-half - o[axis]) * inverse, b = (half - o[axis]) * inverse;
        in = std::max(in, std::min(a, b));
        out = std::min(out, std::max(a, b));
    }
    return in <= out && in > 0.0 ? in : kFar;
}

double enter_cylinder(const Vec& o, const Vec& d, double half) {
    // Between the two planes and inside the endless cylinder at once.
    const double inverse = 1.0 / safe(d.z());
    const double a = (-half - o.z()) * inverse, b = (half - o.z()) * inverse;
    double in = std::min(a, b), out = std::max(a, b);
    const double aa = d.x() * d.x() + d.y() * d.y();
    const double bb = o.x() * d.x() + o.y() * d.y();
    const double cc = (o.x() * o.x() + o.y() * o.y()) - half * half;
    if (aa < 1e-18) return cc <= 0.0 && in <= out && in > 0.0 ? in : kFar;
    const double h = bb * bb - aa * cc;
    if (h < 0.0) return kFar;
    const double root = std::sqrt(h);
    in = std::max(in, (-bb - root) / aa);
    out = std::min(out, (-bb + root) / aa);
    return in <= out && in > 0.0 ? in : kFar;
}

// 0 on the flat part, rising to 1 at the edge.
double lean(double share) {
    const double w = (share - (1.0 - kBevel)) * (1.0 / kBevel);
    if (w <= 0.0) return 0.0;
    return w >= 1.0 ? 1.0 : w * w;
}

Vec cube_normal(const Vec& p, double half) {
    Vec n;
    int face = 0;
    for (int axis = 1; axis < 3; ++axis) {
        if (std::abs(p[axis]) > std::abs(p[face])) face = axis;
    }
    for (int axis = 0; axis < 3; ++axis) {
        const double size = axis == face ? 1.0 : lean(std::abs(p[axis]) / half);
        n[axis] = p[axis] < 0.0 ? -size : size;
    }
    return unit(n);
}

Vec cylinder_normal(const Vec& p, double half) {
    const double radius = std::sqrt(p.x() * p.x() + p.y() * p.y());
    const double across = radius / half, along = std::abs(p.z()) / half;
    const bool cap = along > across;
    const double side = cap ? lean(across) : 1.0, up = cap ? 1.0 : lean(along);
    const double scale = side / std::max(radius, 1e-12);
    return unit({p.x() * scale, p.y() * scale, p.z() < 0.0 ? -up : up});
}

}  // namespace

Body body_of(const SolidObject& object) {
    const Turn t = turn(object.rotation_degrees);
    const double half = object.half_height();
    // A cube reaches sqrt(3) and a cylinder sqrt(2) half heights from its centre; rounded up.
    const double reach = object.solid == Solid::sphere ? 1.0 : object.solid == Solid::cube ? 1.7321 : 1.4143;
    return {object.solid, object.center(), t.cosine, t.sine, half, half * reach};
}

double enter(const Body& body, const Ray& ray) {
    const Vec away = ray.origin - body.center;
    const double b = dot(away, ray.direction);
    const double c = dot(away, away) - body.bound * body.bound;
    const double h = b * b - c;
    if (h < 0.0 || (c > 0.0 && b > 0.0)) return kFar;  // misses the ball around it
    if (body.solid == Solid::sphere) {
        const double t = -b - std::sqrt(h);
        return t > 0.0 ? t : kFar;
    }
    const Vec o = to_local(body, away), d = to_local(body, ray.direction);
    return body.solid == Solid::cube ? enter_cube(o, d, body.half) : enter_cylinder(o, d, body.half);
}

Vec normal_at(const Body& body, const Vec& point) {
    const Vec away = point - body.center;
    if (body.solid == Solid::sphere) return unit(away);
    const Vec p = to_local(body, away);
    return to_world(body, body.solid == Solid::cube ? cube_normal(p, body.half) : cylinder_normal(p, body.half));
}

Ray View::through(double x, double y) const {
    return {position, unit((forward * focal + right * (x - center_x)) - up * (y - center_y))};
}

View view_of(const SolidScene& scene) {
    View view;
    view.position = scene.camera.position;
    view.forward = unit(scene.camera.look_at - scene.camera.position);
    view.right = unit(cross(view.forward, Vec(0.0, 0.0, 1.0)));
    view.up = cross(view.right, view.forward);
    view.focal = scene.camera.focal_length * scene.width;
    view.center_x = scene.width / 2.0;
    view.center_y = scene.height / 2.0;
    return view;
}

Window window_of(const SolidScene& scene, const View& view, const Body& body) {
    const Vec away = body.center - view.position;
    const double depth = dot(away, view.forward);
    if (depth <= body.bound * 1.01) return {0, 0, scene.width, scene.height};
    // The ball's nearest point bounds its outline from outside; the margin covers the oblique view of it.
    const double reach = view.focal * body.bound / (depth - body.bound) * 1.15 + 2.0;
    const double x = view.center_x + view.focal * dot(away, view.right) / depth;
    const double y = view.center_y - view.focal * dot(away, view.up) / depth;
    const auto clip = [](double v, int most) { return static_cast<int>(std::min(std::max(v, 0.0), static_cast<double>(most))); };
    return {clip(x - reach, scene.width), clip(y - reach, scene.height), clip(x + reach + 1.0, scene.width), clip(y + reach + 1.0, scene.height)};
}

}  // namespace modalconflict::dataset::ray

namespace modalconflict::dataset {

double SolidObject::half_height() const {
    const double size = large ? 0.7 : 0.35;
    return solid == Solid::cube ? size * 0.70710678118654752440 : size;
}

double SolidObject::footprint() const { return large ? 0.7 : 0.35; }

Directions directions(const Camera& camera) {
    const ray::Vec forward = camera.look_at - camera.position;
    const ray::Vec behind = ray::unit({forward.x(), forward.y(), 0.0});
    const ray::Vec right(behind.y(), -behind.x(), 0.0);
    return {right, -right, -behind, behind};
}

Eigen::Vector3d project(const SolidScene& scene, const Eigen::Vector3d& point) {
    const ray::View view = ray::view_of(scene);
    const ray::Vec away = point - view.position;
    const double depth = ray::dot(away, view.forward);
    return {view.center_x + view.focal * ray::dot(away, view.right) / depth,
            view.center_y - view.focal * ray::dot(away, view.up) / depth, depth};
}

std::array<std::vector<std::vector<int>>, 4> relationships(const SolidScene& scene) {
    constexpr double kEpsilon = 0.2;  // CLEVR's: less than that apart is neither on one side nor on the other
    const Directions d = directions(scene.camera);
    const std::array<Eigen::Vector3d, 4> axes = {d.right, d.left, d.front, d.behind};
    std::array<std::vector<std::vector<int>>, 4> found;
    for (std::size_t a = 0; a < axes.size(); ++a) {
        found[a].resize(scene.objects.size());
        for (std::size_t i = 0; i < scene.objects.size(); ++i) {
            for (std::size_t j = 0; j < scene.objects.size(); ++j) {
                const Eigen::Vector3d apart = scene.objects[j].center() - scene.objects[i].center();
                if (i != j && ray::dot(apart, axes[a]) > kEpsilon) found[a][i].push_back(static_cast<int>(j));
            }
        }
    }
    return found;
}

std::vector<SolidMeasure> measure_solids(const SolidScene& scene) {
    const ray::View view = ray::view_of(scene);
    std::vector<ray::Body> bodies;
    std::vector<ray::Window> windows;
    for (const SolidObject& object : scene.objects) {
        bodies.push_back(ray::body_of(object));
        windows.push_back(ray::window_of(scene, view, bodies.back()));
    }
    std::vector<SolidMeasure> found(bodies.size());
    std::vector<std::size_t> here;
    for (int y = 0; y < scene.height; ++y) {
        for (int x = 0; x < scene.width; ++x) {
            here.clear();
            std::size_t nearest = bodies.size();
            double best = ray::kFar;
            ray::Ray ray{};
            bool made = false;
            for (std::size_t i = 0; i < bodies.size(); ++i) {
                if (!windows[i].holds(x, y)) continue;
                if (!made) ray = view.through(x + 0.5, y + 0.5);
                made = true;
                const double t = ray::enter(bodies[i], ray);
                if (t == ray::kFar) continue;
                here.push_back(i);
                ++found[i].whole_pixels;
                if (t < best) {
                    best = t;
                    nearest = i;
                }
            }
            if (nearest < bodies.size()) ++found[nearest].visible_pixels;
            const bool at_target = std::find(here.begin(), here.end(), scene.target) != here.end();
            for (const std::size_t i : here) {
                if (at_target && i != scene.target) found[i].overlaps_target = true;
            }
        }
    }
    return found;
}

}  // namespace modalconflict::dataset
