#pragma once

#include <modalconflict/dataset/scene.hpp>

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace modalconflict::dataset {

/// How hard the images of one visual tier d_v are.
struct VisionTier {
    int width = 224;
    int height = 224;
    int target_side_min = 0;  ///< pixels; the target's side, both ends included
    int target_side_max = 0;
    int distractor_side_min = 0;
    int distractor_side_max = 0;
    int distractors = 0;
    int occlusion_percent = 0;  ///< share of the distractors that overlap the target, rounded half up to a count
    bool separate = false;      ///< no two figures touch at all
};

/// The 14 tiers of the paper (arXiv 2511.02243): 0-4 on 800 x 600, 5-13 on 224 x 224. "20-40 % of the image" is
/// read as the target's side against the image's side.
[[nodiscard]] const std::vector<VisionTier>& color_vision_tiers();

/// The three textual tiers: 0 direct, 1 indirect (through a second shape), 2 knowledge (through a thing of the world).
inline constexpr int kColorTextTiers = 3;

/// Settings of the Color Recognition dataset.
struct ColorRecognitionOptions {
    std::int64_t groups = 400;
    std::uint64_t seed = 0;
    /// The target stays recognisable: figures in front of it never hide more than the rest.
    double min_visible_fraction = 0.6;
};

/// What a group's images and texts share.
struct ColorGroup {
    std::int64_t index = 0;
    Shape target = Shape::circle;
    Shape helper = Shape::square;  ///< the second shape of d_t 1; it stands in none of the images
    Color answer_vision = Color::red;
    Color answer_text = Color::blue;
    std::string entity;  ///< the thing of d_t 2, known for answer_text
};

struct ColorScene {
    Scene scene;
    SceneMeasure measure;
    int occluding = 0;  ///< the count asked for: equal to measure.overlapping
};

struct ColorText {
    std::string text;
    std::string paraphrase;  ///< the same meaning in another of the tier's templates
};

/// Answers are balanced: each block of six groups uses every colour once as image answer and once as text answer,
/// never the same for both. @throws InvalidArgument if index is not within [0, options.groups).
[[nodiscard]] ColorGroup color_group(const ColorRecognitionOptions& options, std::int64_t index);

/// The image of tier d_v: no distractor has the target's or the helper's shape or either answer's colour.
/// @throws InvalidArgument  naming the tier if it is unknown.
[[nodiscard]] ColorScene color_scene(const ColorRecognitionOptions& options, const ColorGroup& group, int d_v);

/// The conflicting text of tier d_t. @throws InvalidArgument naming the tier if it is unknown.
[[nodiscard]] ColorText color_text(const ColorRecognitionOptions& options, const ColorGroup& group, int d_t);

/// "What color is the circle? Answer in one word."
[[nodiscard]] std::string color_question(const ColorGroup& group);

/// One picture as it stands on disk.
struct ColorImageRow {
    std::int64_t group = 0;
    int d_v = 0;
    std::string path;  ///< relative to the dataset's folder
    int width = 0, height = 0;
    int distractors = 0;
    double occlusion_rate = 0.0;
    int occluded_count = 0;
    double visible_fraction = 1.0;
    std::string pixel_sha256;
};

/// Draws and writes all images of all groups below folder ("images/00012/v03.png") and returns a row each, ordered by
/// group and tier. progress(done groups) is called from one thread at a time; when it returns false the rest is left.
/// The files are the same for any number of threads (0: one a core). @throws IoError naming the path.
[[nodiscard]] std::vector<ColorImageRow> write_color_images(const ColorRecognitionOptions& options,
                                                            const std::string& folder, int threads = 0,
                                                            const std::function<bool(std::int64_t)>& progress = {});

}  // namespace modalconflict::dataset
