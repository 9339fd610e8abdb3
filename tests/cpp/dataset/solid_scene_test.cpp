#include <modalconflict/dataset/attribute_recognition.hpp>
#include <modalconflict/error.hpp>

#include "dataset/solid_geometry.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <set>

using namespace modalconflict::dataset;
using modalconflict::InvalidArgument;

namespace {

SolidScene with(std::vector<SolidObject> objects) {
    SolidScene scene;
    scene.objects = std::move(objects);
    scene.lamps = {{{6.4, -2.9, 7.2}, 0.7, 0.8}};
    return scene;
}

// Area of the convex hull of points in the plane: Andrew's monotone chain (1979) and the shoelace formula.
double hull_area(std::vector<std::array<double, 2>> points) {
    std::sort(points.begin(), points.end());
    const auto turn = [](const auto& o, const auto& a, const auto& b) { return (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0]); };
    std::vector<std::array<double, 2>> hull;
    for (int pass = 0; pass < 2; ++pass) {
        const std::size_t base = hull.size();
        for (const auto& point : points) {
            while (hull.size() >= base + 2 && turn(hull[hull.size() - 2], hull.back(), point) <= 0) hull.pop_back();
            hull.push_back(point);
        }
        hull.pop_back();
        std::reverse(points.begin(), points.end());
    }
    double twice = 0;
    for (std::size_t i = 0; i < hull.size(); ++i) {
        const auto& a = hull[i];
        const auto& b = hull[(i + 1) % hull.size()];
        twice += a[0] * b[1] - a[1] * b[0];
    }
    return std::abs(twice) / 2;
}

// Pixels of the picture in which red outweighs blue by more than step.
int warm_pixels(const Image& image, int step) {
    int count = 0;
    for (std::size_t i = 0; i < image.pixels.size(); i += 3) count += image.pixels[i] - image.pixels[i + 2] > step ? 1 : 0;
    return count;
}

}  // namespace

TEST(SolidScene, SphereCoversTheEllipseOfPerspective) {
    const SolidScene scene = with({{Solid::sphere, Material::rubber, SolidColor::red, true, 1.3, -0.7, 0}});
    // Semi-axes f r sqrt(d^2 - r^2) / (z^2 - r^2) and f r / sqrt(z^2 - r^2) for a ball at distance d and depth z.
    const double r = 0.7, f = scene.camera.focal_length * scene.width, z = project(scene, scene.objects[0].center()).z();
    const double d = (scene.objects[0].center() - scene.camera.position).norm();
    const double area = std::numbers::pi * f * f * r * r * std::sqrt(d * d - r * r) / std::pow(z * z - r * r, 1.5);
    EXPECT_NEAR(measure_solids(scene)[0].whole_pixels, area, 0.005 * area);
}

TEST(SolidScene, CubeCoversTheHullOfItsCorners) {
    for (const int rotation : {0, 17, 45, 91, 200, 359}) {
        const SolidScene scene = with({{Solid::cube, Material::rubber, SolidColor::red, true, -0.4, 0.9, rotation}});
        const double half = 0.7 / std::sqrt(2.0), turn = rotation * std::numbers::pi / 180;
        std::vector<std::array<double, 2>> corners;
        for (int i = 0; i < 8; ++i) {
            const double x = (i & 1) != 0 ? half : -half, y = (i & 2) != 0 ? half : -half, z = (i & 4) != 0 ? 2 * half : 0;
            const auto at = project(scene, {-0.4 + x * std::cos(turn) - y * std::sin(turn), 0.9 + x * std::sin(turn) + y * std::cos(turn), z});
            corners.push_back({at.x(), at.y()});
        }
        const double area = hull_area(corners);
        EXPECT_NEAR(measure_solids(scene)[0].whole_pixels, area, 0.01 * area) << rotation;
    }
}

TEST(SolidScene, CylinderCoversTheHullOfItsRims) {
    const SolidScene scene = with({{Solid::cylinder, Material::rubber, SolidColor::red, false, 0.4, 1.9, 0}});
    std::vector<std::array<double, 2>> rim;
    for (int i = 0; i < 720; ++i) {
        const double turn = i * std::numbers::pi / 360;
        const auto at = project(scene, {0.4 + 0.35 * std::cos(turn), 1.9 + 0.35 * std::sin(turn), i % 2 == 0 ? 0.0 : 0.7});
        rim.push_back({at.x(), at.y()});
    }
    EXPECT_NEAR(measure_solids(scene)[0].whole_pixels, hull_area(rim), 0.01 * hull_area(rim));
}

TEST(SolidScene, RotationIsThatOfTheStandardLibrary) {
    for (int degrees = 0; degrees < 360; ++degrees) {
        const auto body = ray::body_of({Solid::cube, Material::rubber, SolidColor::red, true, 0, 0, degrees});
        EXPECT_NEAR(body.cosine, std::cos(degrees * std::numbers::pi / 180), 1e-12) << degrees;
        EXPECT_NEAR(body.sine, std::sin(degrees * std::numbers::pi / 180), 1e-12) << degrees;
    }
}

TEST(SolidScene, HitsLieOnTheSurfaceAndNormalsHaveLengthOne) {
    for (const auto solid : {Solid::sphere, Solid::cube, Solid::cylinder}) {
        const auto body = ray::body_of({solid, Material::rubber, SolidColor::red, true, 0.3, -0.2, 33});
        int hits = 0;
        for (int i = 0; i < 400; ++i) {
            const ray::Ray ray{{4, -3, 3}, ray::unit(ray::Vec(-4 + 0.005 * (i % 20) * 10, 3 - 0.5 + 0.05 * (i / 20), -2.6))};
            const double t = ray::enter(body, ray);
            if (t == ray::kFar) continue;
            ++hits;
            const ray::Vec point = ray.origin + ray.direction * t;
            // A step inwards is inside: a ray back from there leaves the solid at once, so entering from outside hits at t.
            const ray::Vec normal = ray::normal_at(body, point);
            EXPECT_NEAR(ray::length(normal), 1.0, 1e-12);
            const double reach = ray::length(point - body.center);
            EXPECT_LE(reach, body.bound + 1e-9);
            EXPECT_GE(reach, body.half - 1e-9);
        }
        EXPECT_GT(hits, 20) << name(solid);
    }
}

TEST(SolidScene, NearerObjectsHideFartherOnes) {
    // The first stands between the camera and the second.
    const SolidScene scene = with({{Solid::sphere, Material::rubber, SolidColor::red, true, 1.6, -1.4, 0},
                                   {Solid::cube, Material::rubber, SolidColor::blue, true, 0.4, -0.3, 20}});
    const auto found = measure_solids(scene);
    EXPECT_EQ(found[0].visible_pixels, found[0].whole_pixels);
    EXPECT_LT(found[1].visible_pixels, found[1].whole_pixels);
    EXPECT_TRUE(found[1].overlaps_target);
    EXPECT_FALSE(found[0].overlaps_target);
}

TEST(SolidScene, RelationshipsFollowTheCamera) {
    const SolidScene scene = with({{Solid::sphere, Material::rubber, SolidColor::red, true, 0, 0, 0},
                                   {Solid::sphere, Material::rubber, SolidColor::blue, true, 2, 2.3, 0},     // to the right
                                   {Solid::sphere, Material::rubber, SolidColor::green, true, -2, 1.74, 0}});  // behind
    const auto found = relationships(scene);
    EXPECT_EQ(found[0][0], (std::vector<int>{1}));
    EXPECT_EQ(found[1][0], (std::vector<int>{}));
    EXPECT_EQ(found[3][0], (std::vector<int>{2}));
    const auto a = project(scene, scene.objects[0].center()), b = project(scene, scene.objects[1].center()), c = project(scene, scene.objects[2].center());
    EXPECT_GT(b.x(), a.x());
    EXPECT_GT(c.z(), a.z());
}

TEST(RenderSolids, MetalMirrorsItsNeighbourAndRubberDoesNot) {
    const SolidObject neighbour{Solid::cube, Material::rubber, SolidColor::yellow, true, -1.05, -1.25, 45};
    for (const auto material : {Material::metal, Material::rubber}) {
        const SolidObject ball{Solid::sphere, material, SolidColor::gray, true, 0.0, 0.2, 0};
        const int alone = warm_pixels(render_solids(with({neighbour})), 30);
        const int both = warm_pixels(render_solids(with({neighbour, ball})), 30);
        if (material == Material::metal) EXPECT_GT(both, alone + 60);
        else EXPECT_LE(both, alone + 10);  // the edge that both share
    }
}

TEST(RenderSolids, LampsCastShadowsSoftOnesWiderThanHardOnes) {
    SolidScene scene = with({{Solid::sphere, Material::rubber, SolidColor::gray, true, 0, 0, 0}});
    SolidScene empty = with({});
    const auto shaded = [&](double radius) {
        scene.lamps[0].radius = empty.lamps[0].radius = radius;
        const Image a = render_solids(scene), b = render_solids(empty);
        const auto mask = measure_solids(scene)[0].whole_pixels;
        int darker = 0;
        for (std::size_t i = 0; i < a.pixels.size(); i += 3) darker += b.pixels[i] - a.pixels[i] > 12 ? 1 : 0;
        return darker - mask;
    };
    const int hard = shaded(0.0), soft = shaded(1.5);
    EXPECT_GT(hard, 500);
    EXPECT_GT(soft, hard);
}

TEST(RenderSolids, EdgesAreAntialiased) {
    const Image image = render_solids(with({{Solid::cube, Material::rubber, SolidColor::red, true, 0, 0, 10}}));
    std::set<int> greens;  // red's low green against the ground's: between the two only where an edge passes
    for (std::size_t i = 0; i < image.pixels.size(); i += 3) {
        if (image.pixels[i] > image.pixels[i + 1] + 15) greens.insert(image.pixels[i + 1]);
    }
    EXPECT_GT(greens.size(), 40U);
}

TEST(RenderSolids, RefusesImpossibleScenes) {
    SolidScene scene = with({});
    scene.width = 4;
    EXPECT_THROW((void)render_solids(scene), InvalidArgument);
    scene = with(std::vector<SolidObject>(65));
    EXPECT_THROW((void)render_solids(scene), InvalidArgument);
}

TEST(AttributeRecognition, RefusalsNameTheField) {
    const auto refusal = [](auto change) {
        AttributeRecognitionOptions options;
        change(options);
        try {
            validate(options);
        } catch (const InvalidArgument& error) {
            return std::string(error.what());
        }
        return std::string();
    };
    EXPECT_EQ(refusal([](auto&) {}), "");
    EXPECT_NE(refusal([](auto& o) { o.groups = 0; }).find("groups"), std::string::npos);
    EXPECT_NE(refusal([](auto& o) { o.tiers[1].objects_max = 41; }).find("tiers[1].objects"), std::string::npos);
    EXPECT_NE(refusal([](auto& o) { o.texts[2].templates[0] = "a metal {target} {claim}"; }).find("texts[2].templates[0]"), std::string::npos);
    EXPECT_NE(refusal([](auto& o) { o.margin = -1; }).find("margin"), std::string::npos);
    EXPECT_NE(refusal([](auto& o) { o.width = 10; }).find("canvas"), std::string::npos);
    EXPECT_THROW((void)subset_from_name("size"), InvalidArgument);
    for (const TextTier& tier : attribute_text_tiers()) EXPECT_GE(tier.templates.size(), 5U);
    AttributeRecognitionOptions crowded;
    crowded.tiers = {{40, 40, true}};
    EXPECT_THROW((void)attribute_scene(crowded, attribute_group(crowded, 0), 0), InvalidArgument);
}
