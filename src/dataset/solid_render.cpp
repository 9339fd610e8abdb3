#include <modalconflict/dataset/solid_scene.hpp>
#include <modalconflict/error.hpp>

#include "dataset/solid_geometry.hpp"

#include <algorithm>
#include <bit>

namespace modalconflict::dataset {
namespace {

using ray::Body;
using ray::dot;
using ray::kFar;
using ray::Ray;
using ray::unit;
using ray::Vec;
using ray::View;
using ray::Window;

constexpr double kLift = 1e-6;  // secondary rays start off the surface
constexpr int kGround = -1;
constexpr std::size_t kMaxSolids = 64, kMaxLamps = 8;
constexpr double kOpenReach = 6.0;  // in half heights: beyond it a solid takes less than 3 % of the sky
const Vec kUp(0.0, 0.0, 1.0);

// Between an 8-bit sRGB value and linear light: polynomials in the value and in its square roots, within 0.003 of the
// standard's curves; powers from a library would differ between libraries.
double to_linear(std::uint8_t value) {
    const double c = value / 255.0;
    return c * (0.012522878 + c * (0.682171111 + c * 0.305306011));
}
std::uint8_t to_srgb(double light) {
    double c = std::max(light, 0.0);
    if (c > 0.75) c = 0.75 + 0.25 * (c - 0.75) / (c - 0.5);  // highlights approach white instead of being cut
    const double r1 = std::sqrt(c), r2 = std::sqrt(r1), r3 = std::sqrt(r2);
    const double s = 0.662002687 * r1 + 0.684122060 * r2 - 0.323583601 * r3 - 0.0225411470 * c;
    return static_cast<std::uint8_t>(std::min(std::max(s, 0.0), 1.0) * 255.0 + 0.5);
}

// Highlights after Blinn 1977, of the cosine between the normal and the half-way direction: a narrow and a wide one.
struct Highlight {
    double narrow = 0.0, wide = 0.0;
    void add(double cosine, double strength) {
        const double v2 = cosine * cosine, v4 = v2 * v2, v8 = v4 * v4, v16 = v8 * v8, v64 = (v16 * v16) * (v16 * v16);
        narrow += strength * v64;
        wide += strength * (v8 * v4);
    }
};

struct Seen {
    Vec light;
    int object;  // kGround where no solid is met
};

// Points of a disc in a spiral (Vogel 1979), the outermost last.
constexpr std::size_t kLampPoints = 16;
std::array<std::array<double, 2>, kLampPoints> lamp_points() {
    std::array<std::array<double, 2>, kLampPoints> points{};
    double c = 1.0, s = 0.0;
    for (std::size_t i = 0; i < kLampPoints; ++i) {
        const double radius = std::sqrt((static_cast<double>(i) + 0.5) / kLampPoints);
        points[i] = {radius * c, radius * s};
        const double next = c * -0.73736887807831986 - s * 0.67549029426152360;  // the golden angle
        s = c * 0.67549029426152360 + s * -0.73736887807831986;
        c = next;
    }
    return points;
}

class Tracer {
public:
    explicit Tracer(const SolidScene& scene) : scene_(scene), view_(ray::view_of(scene)), points_(lamp_points()) {
        for (const SolidObject& object : scene.objects) {
            bodies_.push_back(ray::body_of(object));
            windows_.push_back(ray::window_of(scene, view_, bodies_.back()));
            const Rgb color = rgb(object.color);
            colors_.emplace_back(to_linear(color.red), to_linear(color.green), to_linear(color.blue));
        }
        all_ = {bodies_.size() < 64 ? (std::uint64_t{1} << bodies_.size()) - 1 : ~std::uint64_t{0}, {}};
        all_.shadow.fill(all_.close);
        tiles_across_ = (scene.width + kTile - 1) / kTile;
        for (int y = 0; y < scene.height; y += kTile) {
            for (int x = 0; x < scene.width; x += kTile) tiles_.push_back(nearby(x, y));
        }
    }

    /// What is seen through a point of the canvas, which lies in pixel (x, y).
    Seen look(double px, double py, int x, int y) {
        turn_ = static_cast<std::size_t>((x & 3) + 4 * (y & 3));
        tile_ = static_cast<std::size_t>(y / kTile * tiles_across_ + x / kTile);
        const Ray ray = view_.through(px, py);
        int nearest = kGround;
        double best = kFar;
        for (std::size_t i = 0; i < bodies_.size(); ++i) {
            if (!windows_[i].holds(x, y)) continue;
            const double t = ray::enter(bodies_[i], ray);
            if (t < best) {
                best = t;
                nearest = static_cast<int>(i);
            }
        }
        return {shade(ray, nearest, best, 0), nearest};
    }

private:
    static constexpr int kTile = 16;

    /// Solids, a bit each, that matter to some piece of ground.
    struct Nearby {
        std::uint64_t close = 0;                       ///< that may darken it by their nearness
        std::array<std::uint64_t, kMaxLamps> shadow{};  ///< that may stand in the light of a lamp
    };

    /// Of the ground that is seen in the tile with this corner: what lies further off than the tile is wide is left out.
    Nearby nearby(int left, int top) const {
        std::array<Vec, 4> corners;
        for (std::size_t i = 0; i < 4; ++i) {
            const Ray ray = view_.through(left + kTile * static_cast<int>(i & 1U), top + kTile * static_cast<int>(i >> 1U));
            if (ray.direction.z() > -0.02) return all_;
            corners[i] = ray.origin + ray.direction * (-ray.origin.z() / ray.direction.z());
        }
        const Vec middle = (corners[0] + corners[1] + (corners[2] + corners[3])) * 0.25;
        double wide = 0.0;
        for (const Vec& corner : corners) wide = std::max(wide, ray::length(corner - middle));
        wide *= 1.01;
        Nearby found;
        for (std::size_t i = 0; i < bodies_.size(); ++i) {
            const Vec away = bodies_[i].center - middle;
            const std::uint64_t bit = std::uint64_t{1} << i;
            if (ray::length(away) <= kOpenReach * bodies_[i].half + wide) found.close |= bit;
            for (std::size_t l = 0; l < scene_.lamps.size(); ++l) {
                const Vec direction = unit(scene_.lamps[l].position - middle);
                const double along = dot(away, direction), reach = bodies_[i].bound + scene_.lamps[l].radius + wide;
                if (along >= -reach && dot(away, away) - along * along <= reach * reach) found.shadow[l] |= bit;
            }
        }
        return found;
    }

    Vec trace(const Ray& ray, int from, int depth) {
        int nearest = kGround;
        double best = kFar;
        for (std::size_t i = 0; i < bodies_.size(); ++i) {
            if (static_cast<int>(i) == from) continue;  // solids are convex: a mirror never sees itself
            const double t = ray::enter(bodies_[i], ray);
            if (t < best) {
                best = t;
                nearest = static_cast<int>(i);
            }
        }
        return shade(ray, nearest, best, depth);
    }

    Vec shade(const Ray& ray, int object, double distance, int depth) {
        if (object != kGround) return solid(ray, object, distance, depth);
        if (ray.direction.z() > -1e-6) return sky(ray);
        const double t = -ray.origin.z() / ray.direction.z();
        const Vec ground = this->ground(ray.origin + ray.direction * t, depth);
        // Far away the ground goes over into the backdrop, as the studio's paper does.
        const double haze = std::min(t * t * (1.0 / 1600.0), 1.0);
        return ground * (1.0 - haze) + Vec(kBackdrop, kBackdrop, kBackdrop) * haze;
    }

    static constexpr double kBackdrop = 0.22;

    /// The studio around: grey, darker above, with the lamps in it.
    Vec sky(const Ray& ray) const {
        const double up = std::max(ray.direction.z(), 0.0);
        const double low = 1.0 - up, low2 = low * low;
        double light = 0.10 + 0.30 * (low2 * low2);
        for (const Lamp& lamp : scene_.lamps) {
            const Vec to = lamp.position - ray.origin;
            const double along = dot(to, ray.direction);
            if (along <= 0.0) continue;
            const double off2 = dot(to, to) - along * along;
            const double wide = 0.35 + lamp.radius * 1.3, wide2 = wide * wide;
            if (off2 < wide2) {
                const double edge = std::min((wide2 - off2) / (wide2 * 0.35), 1.0);
                light += 1.9 * std::sqrt(lamp.power) * edge;
            }
        }
        return Vec(light, light, light);
    }

    Vec ground(const Vec& point, int depth) {
        constexpr double kAlbedo = 0.47;
        const Nearby& near = depth == 0 ? tiles_[tile_] : all_;
        const double light = lamps(point, kUp, kGround, depth, near) + 0.24 * openness(point, near.close);
        return Vec(light, light, light) * kAlbedo;
    }

    Vec solid(const Ray& ray, int object, double distance, int depth) {
        const auto index = static_cast<std::size_t>(object);
        const Body& body = bodies_[index];
        const Vec point = ray.origin + ray.direction * distance;
        const Vec normal = ray::normal_at(body, point);
        const double facing = std::max(-dot(normal, ray.direction), 0.0);
        const Vec& color = colors_[index];
        const Vec start = point + normal * kLift;
        // From the sky comes more light than from the ground, and none from the ground just below.
        const double low = std::min(point.z() / (body.half * 1.2), 1.0);
        const double ambient = (0.30 + 0.12 * normal.z()) * (0.45 + 0.55 * low);
        highlight_ = {};
        look_ = ray.direction;
        const double diffuse = lamps(start, normal, object, depth, all_) + ambient;
        if (scene_.objects[index].material == Material::rubber) {
            const double sheen = 0.035 * highlight_.wide;
            return color * diffuse + Vec(sheen, sheen, sheen);
        }
        const double glare = 0.35 * highlight_.narrow + 0.10 * highlight_.wide;
        const Vec own = color * (0.16 * diffuse + 0.30 * highlight_.wide) + Vec(glare, glare, glare);
        if (depth >= 2) return own + color * 0.25;
        const double turned = 1.0 - std::min(facing, 1.0), turned2 = turned * turned;
        const double rim = turned2 * turned2 * turned;  // Schlick 1994
        const Vec tint = color * (0.95 * (1.0 - rim)) + Vec(rim, rim, rim) * 0.7 + Vec(0.08, 0.08, 0.08);
        Vec mirror = ray.direction + normal * (2.0 * facing);
        if (dot(mirror, normal) < 1e-3) mirror = unit(mirror + normal * 2e-3);  // a leaning normal at the rim
        const Vec seen = trace({start, unit(mirror)}, object, depth + 1);
        return own + tint.cwiseProduct(seen);
    }

    /// Light of all lamps on a surface; adds each one's highlight.
    double lamps(const Vec& point, const Vec& normal, int self, int depth, const Nearby& near) {
        double sum = 0.0;
        for (std::size_t l = 0; l < scene_.lamps.size(); ++l) {
            const Lamp& lamp = scene_.lamps[l];
            const Vec to = lamp.position - point;
            const double far = ray::length(to);
            const Vec direction = to * (1.0 / far);
            const double slant = dot(normal, direction);
            if (slant <= 0.0) continue;
            const double seen = visible(point, lamp, direction, far, self, depth, near.shadow[l]);
            if (seen <= 0.0) continue;
            const double strength = lamp.power * seen * (1.55 / (1.0 + far * far * 0.012));
            sum += strength * slant;
            if (self != kGround) highlight_.add(std::max(dot(normal, unit(direction - look_)), 0.0), strength);
        }
        return sum;
    }

    /// Share of the lamp that a point sees.
    double visible(const Vec& point, const Lamp& lamp, const Vec& direction, double far, int self, int depth,
                   std::uint64_t shadowing) {
        if (shadowing == 0) return 1.0;
        std::array<const Body*, kMaxSolids> near{};
        std::size_t count = 0;
        for (; shadowing != 0; shadowing &= shadowing - 1) {
            const auto i = static_cast<std::size_t>(std::countr_zero(shadowing));
            // A convex solid never stands in the light of its own lit side.
            if (static_cast<int>(i) == self) continue;
            const Vec away = bodies_[i].center - point;
            const double along = dot(away, direction);
            if (along < -bodies_[i].bound) continue;
            const double reach = bodies_[i].bound + lamp.radius * std::max(along, 0.0) / far;
            if (dot(away, away) - along * along < reach * reach) near[count++] = &bodies_[i];
        }
        if (count == 0) return 1.0;
        const auto blocked = [&](const Vec& to) {
            const Ray ray{point, unit(to)};
            for (std::size_t i = 0; i < count; ++i) {
                if (ray::enter(*near[i], ray) < far) return true;
            }
            return false;
        };
        if (lamp.radius <= 0.0 || depth > 0) return blocked(direction) ? 0.0 : 1.0;
        const Vec side = unit(std::abs(direction.z()) < 0.9 ? ray::cross(direction, kUp) : ray::cross(direction, Vec(1.0, 0.0, 0.0)));
        const Vec other = ray::cross(direction, side);
        const auto& [cosine, sine] = kTurns[turn_];
        const auto sample = [&](std::size_t i) {
            const double u = (points_[i][0] * cosine - points_[i][1] * sine) * lamp.radius;
            const double v = (points_[i][0] * sine + points_[i][1] * cosine) * lamp.radius;
            return blocked(direction * far + (side * u + other * v)) ? 0 : 1;
        };
        // The rim first: where all of it is dark or all of it is lit, so is the rest.
        constexpr std::size_t kRim = 5;
        int lit = 0;
        for (std::size_t i = kLampPoints - kRim; i < kLampPoints; ++i) lit += sample(i);
        if (lit == 0 || lit == static_cast<int>(kRim)) return lit == 0 ? 0.0 : 1.0;
        for (std::size_t i = 0; i < kLampPoints - kRim; ++i) lit += sample(i);
        return static_cast<double>(lit) / kLampPoints;
    }

    /// Share of the sky that a point of the ground sees, each solid taken for a ball (Quilez).
    double openness(const Vec& point, std::uint64_t close) const {
        double open = 1.0;
        for (; close != 0; close &= close - 1) {
            const Body& body = bodies_[static_cast<std::size_t>(std::countr_zero(close))];
            const Vec away = body.center - point;
            const double d2 = dot(away, away);
            if (d2 > kOpenReach * kOpenReach * body.half * body.half) continue;
            const double covered = (away.z() / std::sqrt(d2)) * (body.half * body.half / d2);
            open *= 1.0 - std::min(0.95 * covered, 0.95);
        }
        return open;
    }

    // Each pixel of a 4 x 4 block turns the lamp's points by another sixteenth of their spacing: grain instead of bands.
    static const std::array<std::array<double, 2>, 16> kTurns;

    const SolidScene& scene_;
    View view_;
    std::array<std::array<double, 2>, kLampPoints> points_;
    std::vector<Body> bodies_;
    std::vector<Window> windows_;
    std::vector<Vec> colors_;
    Nearby all_;
    std::vector<Nearby> tiles_;
    int tiles_across_ = 0;
    std::size_t turn_ = 0, tile_ = 0;
    Highlight highlight_;
    Vec look_ = Vec::Zero();
};

// Cosine and sine of multiples of 1/16 turn, in an order that sets neighbours far apart.
const std::array<std::array<double, 2>, 16> Tracer::kTurns = [] {
    constexpr double a = 0.92387953251128674, b = 0.38268343236508977, c = 0.70710678118654752;
    const std::array<std::array<double, 2>, 16> in_order = {{{1, 0}, {a, b}, {c, c}, {b, a}, {0, 1}, {-b, a}, {-c, c}, {-a, b},
                                                             {-1, 0}, {-a, -b}, {-c, -c}, {-b, -a}, {0, -1}, {b, -a}, {c, -c}, {a, -b}}};
    constexpr std::array<std::size_t, 16> order = {0, 8, 2, 10, 12, 4, 14, 6, 3, 11, 1, 9, 15, 7, 13, 5};
    std::array<std::array<double, 2>, 16> turned{};
    for (std::size_t i = 0; i < 16; ++i) turned[i] = in_order[order[i]];
    return turned;
}();

bool differ(const Seen& a, const Seen& b) {
    if (a.object != b.object) return true;
    constexpr double kStep = 0.06;
    const Vec apart = a.light - b.light;
    const double size = std::max(dot(a.light, kUp), dot(b.light, kUp)) + 0.1;
    return std::max({std::abs(apart.x()), std::abs(apart.y()), std::abs(apart.z())}) > kStep * size + kStep * 0.5;
}

}  // namespace

Image render_solids(const SolidScene& scene) {
    if (scene.width < 16 || scene.height < 16 || scene.width > 4096 || scene.height > 4096) {
        throw InvalidArgument("render_solids: the canvas is " + std::to_string(scene.width) + " x " + std::to_string(scene.height) +
                              "; each side must lie within 16 and 4096");
    }
    if (scene.objects.size() > kMaxSolids || scene.lamps.size() > kMaxLamps) {
        throw InvalidArgument("render_solids: the scene has " + std::to_string(scene.objects.size()) + " objects and " +
                              std::to_string(scene.lamps.size()) + " lamps; at most 64 and 8 are drawn");
    }
    Tracer tracer(scene);
    const auto width = static_cast<std::size_t>(scene.width), height = static_cast<std::size_t>(scene.height);
    std::vector<Seen> seen(width * height);
    for (int y = 0; y < scene.height; ++y) {
        for (int x = 0; x < scene.width; ++x) {
            seen[static_cast<std::size_t>(y) * width + static_cast<std::size_t>(x)] = tracer.look(x + 0.5, y + 0.5, x, y);
        }
    }
    std::vector<std::uint8_t> rough(seen.size(), 0);
    for (std::size_t i = 0; i < seen.size(); ++i) {
        const bool right = i % width + 1 < width && differ(seen[i], seen[i + 1]);
        const bool below = i + width < seen.size() && differ(seen[i], seen[i + width]);
        if (right) rough[i] = rough[i + 1] = 1;
        if (below) rough[i] = rough[i + width] = 1;
    }
    Image image{scene.width, scene.height, std::vector<std::uint8_t>(seen.size() * 3)};
    for (std::size_t i = 0; i < seen.size(); ++i) {
        Vec light = seen[i].light;
        if (rough[i] != 0) {
            const int x = static_cast<int>(i % width), y = static_cast<int>(i / width);
            for (int part = 0; part < 9; ++part) {
                if (part == 4) continue;  // the centre is there already
                light += tracer.look(x + (part % 3 * 2 + 1) / 6.0, y + (part / 3 * 2 + 1) / 6.0, x, y).light;
            }
            light *= 1.0 / 9.0;
        }
        for (int c = 0; c < 3; ++c) image.pixels[i * 3 + static_cast<std::size_t>(c)] = to_srgb(light[c]);
    }
    return image;
}

}  // namespace modalconflict::dataset
