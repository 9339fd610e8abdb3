#include <modalconflict/dataset/attribute_recognition.hpp>
#include <modalconflict/dataset/random.hpp>
#include <modalconflict/error.hpp>

#include "dataset/group_writer.hpp"
#include "dataset/solid_geometry.hpp"
#include "dataset/streams.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

namespace modalconflict::dataset {
namespace {

// Stream numbers below kAttributeGroup: what each of a group's draws is for.
enum : std::uint64_t { kVisionBlock, kTextBlock, kColorBlock, kDetails };

std::vector<int> shuffled(std::vector<int> values, Random random) {
    random.shuffle(values);
    return values;
}

std::uint64_t subset_stream(const AttributeRecognitionOptions& options) { return static_cast<std::uint64_t>(options.subset); }

// The image's answer: every block of three groups has each shape once; every block of fifteen has 8 metal and 7 rubber targets.
int vision_answer(const AttributeRecognitionOptions& options, std::uint64_t index) {
    std::vector<int> block;
    if (options.subset == AttributeSubset::shape) block = {0, 1, 2};
    else block = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1};
    const Random random(options.seed, {streams::kAttributeGroup, subset_stream(options), kVisionBlock, index / block.size()});
    return shuffled(block, random)[index % block.size()];
}

// The text's answer: of shapes, the next or the one after next for all three groups of a block, so that it is balanced as well.
int text_answer(const AttributeRecognitionOptions& options, std::uint64_t index, int vision) {
    if (options.subset == AttributeSubset::material) return 1 - vision;
    Random random(options.seed, {streams::kAttributeGroup, subset_stream(options), kTextBlock, index / kSolidCount});
    return (vision + 1 + static_cast<int>(random.below(2))) % static_cast<int>(kSolidCount);
}

std::string answer_name(AttributeSubset subset, int value) {
    return std::string(subset == AttributeSubset::shape ? name(static_cast<Solid>(value)) : name(static_cast<Material>(value)));
}

double jitter(Random& random, double size) { return size * (static_cast<double>(random.between(-1000, 1000)) / 1000.0); }

SolidScene studio(const AttributeRecognitionOptions& options, Random& random) {
    SolidScene scene;
    scene.width = options.width;
    scene.height = options.height;
    for (int i = 0; i < 3; ++i) scene.camera.position[i] += jitter(random, options.camera_jitter);
    // Key from the camera's right, a weak one from its left, one from behind the objects, as in CLEVR's studio.
    scene.lamps = {{{6.4, -2.9, 7.2}, options.lamp_radius, 0.80}, {{-4.7, -5.0, 5.0}, options.lamp_radius * 1.3, 0.20}, {{-1.1, 4.6, 7.8}, options.lamp_radius, 0.28}};
    for (Lamp& lamp : scene.lamps) {
        for (int i = 0; i < 3; ++i) lamp.position[i] += jitter(random, options.lamp_jitter);
    }
    return scene;
}

bool stands_clear(const AttributeRecognitionOptions& options, const SolidScene& scene, const Directions& axes, const SolidObject& object) {
    for (const SolidObject& other : scene.objects) {
        const Eigen::Vector3d apart(object.x - other.x, object.y - other.y, 0.0);
        if (ray::length(apart) < object.footprint() + other.footprint() + options.min_distance) return false;
        if (std::abs(ray::dot(apart, axes.right)) < options.margin || std::abs(ray::dot(apart, axes.behind)) < options.margin) return false;
    }
    return true;
}

bool inside_frame(const SolidScene& scene, const SolidObject& object) {
    const Eigen::Vector3d at = project(scene, object.center());
    if (at.z() < 1.0) return false;
    const double reach = scene.camera.focal_length * scene.width * object.footprint() * 1.25 / at.z() + 3.0;
    return at.x() > reach && at.y() > reach && at.x() < scene.width - reach && at.y() < scene.height - reach;
}

struct Dresser {
    const AttributeRecognitionOptions& options;
    const AttributeGroup& group;
    std::vector<SolidColor> colors;

    SolidObject operator()(Random& random, bool target, bool large) const {
        SolidObject object;
        object.solid = static_cast<Solid>(random.below(kSolidCount));
        object.material = static_cast<Material>(random.below(kMaterialCount));
        object.color = target ? group.color : random.pick(colors);
        object.large = large;
        object.rotation_degrees = static_cast<int>(random.below(360));
        if (!target) return object;
        if (options.subset == AttributeSubset::shape) {
            while (name(object.solid) != group.answer_vision) object.solid = static_cast<Solid>((static_cast<int>(object.solid) + 1) % 3);
        } else if (name(object.material) != group.answer_vision) {
            object.material = object.material == Material::metal ? Material::rubber : Material::metal;
        }
        return object;
    }
};

std::optional<SolidScene> place(const AttributeRecognitionOptions& options, const SolidTier& tier, const Dresser& dress, Random& random) {
    constexpr int kTries = 100;
    SolidScene scene = studio(options, random);
    const Directions axes = directions(scene.camera);
    const auto count = static_cast<std::size_t>(random.between(tier.objects_min, tier.objects_max));
    scene.target = static_cast<std::size_t>(random.below(count));
    for (std::size_t i = 0; i < count; ++i) {
        SolidObject object = dress(random, i == scene.target, tier.large);
        bool placed = false;
        for (int attempt = 0; attempt < kTries && !placed; ++attempt) {
            object.x = static_cast<double>(random.between(-3000, 3000)) / 1000.0;
            object.y = static_cast<double>(random.between(-3000, 3000)) / 1000.0;
            placed = stands_clear(options, scene, axes, object) && inside_frame(scene, object);
        }
        if (!placed) return std::nullopt;
        scene.objects.push_back(object);
    }
    return scene;
}

}  // namespace

double AttributeScene::visible_fraction() const {
    const SolidMeasure& target = measures.at(scene.target);
    return target.whole_pixels == 0 ? 0.0 : static_cast<double>(target.visible_pixels) / target.whole_pixels;
}

int AttributeScene::overlapping() const {
    return static_cast<int>(std::count_if(measures.begin(), measures.end(), [](const SolidMeasure& m) { return m.overlaps_target; }));
}

AttributeGroup attribute_group(const AttributeRecognitionOptions& options, std::int64_t index) {
    validate(options);
    if (index < 0 || index >= options.groups) {
        throw InvalidArgument("attribute_group: group " + std::to_string(index) + " is outside 0 to " + std::to_string(options.groups - 1));
    }
    const auto position = static_cast<std::uint64_t>(index);
    AttributeGroup group;
    group.index = index;
    const int vision = vision_answer(options, position), text = text_answer(options, position, vision);
    group.answer_vision = answer_name(options.subset, vision);
    group.answer_text = answer_name(options.subset, text);
    std::vector<int> colors;
    for (int i = 0; i < static_cast<int>(kSolidColorCount); ++i) colors.push_back(i);
    const Random block(options.seed, {streams::kAttributeGroup, subset_stream(options), kColorBlock, position / kSolidColorCount});
    group.color = static_cast<SolidColor>(shuffled(colors, block)[position % kSolidColorCount]);
    Random random(options.seed, {streams::kAttributeGroup, subset_stream(options), kDetails, position});
    std::erase(colors, static_cast<int>(group.color));
    random.shuffle(colors);
    group.helper = static_cast<SolidColor>(colors[0]);
    group.second = static_cast<SolidColor>(colors[1]);
    group.entity = options.subset == AttributeSubset::shape ? random.pick(entities(static_cast<Solid>(text)))
                                                            : random.pick(entities(static_cast<Material>(text)));
    return group;
}

AttributeScene attribute_scene(const AttributeRecognitionOptions& options, const AttributeGroup& group, int d_v) {
    if (d_v < 0 || static_cast<std::size_t>(d_v) >= options.tiers.size()) {
        throw InvalidArgument("attribute_scene: visual tier d_v " + std::to_string(d_v) + " is not known; this dataset has 0 to " +
                              std::to_string(options.tiers.size() - 1));
    }
    Dresser dress{options, group, {}};
    for (std::size_t i = 0; i < kSolidColorCount; ++i) {
        const auto color = static_cast<SolidColor>(i);
        if (color != group.color && color != group.helper && color != group.second) dress.colors.push_back(color);
    }
    constexpr std::uint64_t kMaxAttempts = 2000;
    for (std::uint64_t attempt = 0; attempt < kMaxAttempts; ++attempt) {
        Random random(options.seed, {streams::kAttributeScene, subset_stream(options), static_cast<std::uint64_t>(group.index),
                                     static_cast<std::uint64_t>(d_v), attempt});
        auto scene = place(options, options.tiers[static_cast<std::size_t>(d_v)], dress, random);
        if (!scene) continue;
        AttributeScene made{std::move(*scene), {}};
        made.measures = measure_solids(made.scene);
        const auto hidden = [&](const SolidMeasure& m) { return m.visible_pixels < options.min_visible_pixels; };
        if (std::any_of(made.measures.begin(), made.measures.end(), hidden) || made.visible_fraction() < options.min_visible_fraction) continue;
        return made;
    }
    throw InvalidArgument("attribute_scene: the objects of tiers[" + std::to_string(d_v) +
                          "] do not fit; use fewer or smaller ones, or a smaller min_distance, margin or min_visible_pixels");
}

std::vector<AttributeImageRow> write_attribute_images(const AttributeRecognitionOptions& options, const std::string& folder, int threads,
                                                      const std::function<bool(std::int64_t)>& progress, std::int64_t first,
                                                      std::int64_t count) {
    validate(options);  // refuses bad options before any file is made
    const GroupWork work{"write_attribute_images", options.groups, first, count, threads, progress};
    const std::size_t tiers = options.tiers.size();
    std::vector<AttributeImageRow> rows(static_cast<std::size_t>(checked_count(work)) * tiers);
    for_each_group(work, [&](std::int64_t index) {
        const AttributeGroup group = attribute_group(options, index);
        const std::string name = make_group_folder(folder, index);
        for (std::size_t d_v = 0; d_v < tiers; ++d_v) {
            AttributeScene made = attribute_scene(options, group, static_cast<int>(d_v));
            const Image image = render_solids(made.scene);
            AttributeImageRow row{index, static_cast<int>(d_v), name + tier_file(d_v), std::move(made), pixel_sha256(image)};
            write_png(image, folder + "/" + row.path);
            rows[static_cast<std::size_t>(index - first) * tiers + d_v] = std::move(row);
        }
    });
    return rows;
}

}  // namespace modalconflict::dataset
