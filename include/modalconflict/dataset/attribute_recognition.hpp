#pragma once

#include <modalconflict/dataset/color_options.hpp>
#include <modalconflict/dataset/solid_scene.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace modalconflict::dataset {

/// What is asked about.
enum class AttributeSubset : std::uint8_t { shape, material };
[[nodiscard]] std::string_view name(AttributeSubset subset);
/// @throws InvalidArgument  naming the known ones.
[[nodiscard]] AttributeSubset subset_from_name(std::string_view name);

/// How hard the images of one visual tier are.
struct SolidTier {
    int objects_min = 3;  ///< more objects are harder to search
    int objects_max = 4;  ///< both ends included
    bool large = true;    ///< size 0.7 or 0.35: small objects cover few pixels
    friend bool operator==(const SolidTier&, const SolidTier&) = default;
};

/// The four tiers of the paper: 3-4 large, 6-8 large, 6-8 small, 10-12 small objects.
[[nodiscard]] const std::vector<SolidTier>& attribute_vision_tiers();

/// The four textual tiers: 0 direct, 1 indirect, 2 knowledge, 3 spatial. Placeholders: {target} "red object", {attribute} "shape",
/// {claim} "a cube" or "made of metal", {helper} and {second} objects of two colours that the images lack, {thing};
/// {beside} "to its left" and {opposite} "to the right of", which together lead from the second object back to the first.
[[nodiscard]] const std::vector<TextTier>& attribute_text_tiers();

/// Things of the world known for a shape or a material, with their article and without a shape's or a material's name.
[[nodiscard]] std::span<const std::string_view> entities(Solid solid);
[[nodiscard]] std::span<const std::string_view> entities(Material material);

/// Settings of the Attribute Recognition dataset; placement follows CLEVR's generator (Johnson et al. 2017).
struct AttributeRecognitionOptions {
    AttributeSubset subset = AttributeSubset::shape;
    std::int64_t groups = 300;  ///< 300 give 100 groups a shape, or 160 metal and 140 rubber ones
    std::uint64_t seed = 0;
    int width = 480;  ///< CLEVR's canvas
    int height = 320;
    std::vector<SolidTier> tiers = attribute_vision_tiers();
    std::vector<TextTier> texts = attribute_text_tiers();
    std::string question = "What {attribute} is the {target}? Answer in one word.";
    double min_visible_fraction = 0.6;  ///< the target's least visible share of pixels
    int min_visible_pixels = 150;       ///< of every object, or it could not be counted
    double min_distance = 0.25;         ///< between footprints: objects never touch
    double margin = 0.3;                ///< between centres along each ground axis, so that "left of" is never in doubt
    double camera_jitter = 0.5;         ///< the camera's and the lamps' places vary by as much in each coordinate: no two images
    double lamp_jitter = 1.0;           ///< share a background that could be learned by heart
    double lamp_radius = 0.7;           ///< softness of the shadows; 0 gives hard ones
};

/// @throws InvalidArgument  naming the field and what it must be.
void validate(const AttributeRecognitionOptions& options);

/// What a group's images and texts share. Answers are names: "cube" or "metal".
struct AttributeGroup {
    std::int64_t index = 0;
    SolidColor color = SolidColor::red;  ///< of the target, which alone has it
    SolidColor helper = SolidColor::blue, second = SolidColor::green;  ///< colours that none of the images shows
    std::string answer_vision, answer_text;
    std::string entity;
};

struct AttributeScene {
    SolidScene scene;
    std::vector<SolidMeasure> measures;  ///< an object each
    [[nodiscard]] double visible_fraction() const;
    [[nodiscard]] int overlapping() const;  ///< objects that overlap the target, each taken whole
};

struct AttributeText {
    std::string text, paraphrase;
    std::string entity;  ///< empty where the tier names none
};

[[nodiscard]] AttributeGroup attribute_group(const AttributeRecognitionOptions& options, std::int64_t index);
[[nodiscard]] AttributeScene attribute_scene(const AttributeRecognitionOptions& options, const AttributeGroup& group, int d_v);
[[nodiscard]] AttributeText attribute_text(const AttributeRecognitionOptions& options, const AttributeGroup& group, int d_t);
/// "What shape is the red object? Answer in one word."
[[nodiscard]] std::string attribute_question(const AttributeRecognitionOptions& options, const AttributeGroup& group);
/// "red object"
[[nodiscard]] std::string attribute_target(const AttributeGroup& group);

/// One picture as it stands on disk, with its scene.
struct AttributeImageRow {
    std::int64_t group = 0;
    int d_v = 0;
    std::string path;  ///< relative to the dataset's folder
    AttributeScene made;
    std::string pixel_sha256;
};

/// Draws and writes the images of count groups from first on; as write_color_images.
[[nodiscard]] std::vector<AttributeImageRow> write_attribute_images(const AttributeRecognitionOptions& options,
                                                                    const std::string& folder, int threads = 0,
                                                                    const std::function<bool(std::int64_t)>& progress = {},
                                                                    std::int64_t first = 0, std::int64_t count = -1);

}  // namespace modalconflict::dataset
