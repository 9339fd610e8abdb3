#pragma once

#include <modalconflict/dataset/color_options.hpp>
#include <modalconflict/dataset/scene.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace modalconflict::dataset {

/// What a group's images and texts share.
struct ColorGroup {
    std::int64_t index = 0;
    Shape target = Shape::circle;
    Shape helper = Shape::square;  ///< the second shape of d_t 1; it stands in none of the images
    std::string answer_vision;     ///< names of two of the options' colours
    std::string answer_text;
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
    std::string entity;      ///< the thing that the text names; empty where its tier names none
};

/// Answers are balanced: each block of as many groups as there are colours uses every colour once as image answer and once as text
/// answer, never the same for both. @throws InvalidArgument if the options are refused or index is not within [0, options.groups).
[[nodiscard]] ColorGroup color_group(const ColorRecognitionOptions& options, std::int64_t index);

/// The image of tier d_v: no distractor has the target's or the helper's shape or either answer's colour.
/// @throws InvalidArgument  naming the tier if it is unknown or its figures do not fit.
[[nodiscard]] ColorScene color_scene(const ColorRecognitionOptions& options, const ColorGroup& group, int d_v);

/// The conflicting text of tier d_t, or its control: with text_irrelevant it speaks of the helper's shape, with
/// image_irrelevant of a star, a cone or a frustum that none of the group's images shows.
/// @throws InvalidArgument  naming the tier if it is unknown.
[[nodiscard]] ColorText color_text(const ColorRecognitionOptions& options, const ColorGroup& group, int d_t,
                                   Control control = Control::none);

/// "What color is the circle? Answer in one word."
[[nodiscard]] std::string color_question(const ColorRecognitionOptions& options, const ColorGroup& group,
                                         Control control = Control::none);

/// The shape that the question names.
[[nodiscard]] std::string color_target(const ColorRecognitionOptions& options, const ColorGroup& group,
                                       Control control = Control::none);

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

/// Draws and writes the images of count groups from first on (all that follow by default) below folder
/// ("images/00012/v03.png") and returns a row each, ordered by group and tier. progress(groups done in this call) is called from one
/// thread at a time; when it returns false the rest is left. The files are the same for any number of threads (0: one a core) and for
/// any division into calls; a file that exists already is replaced. @throws InvalidArgument naming the argument; IoError naming the path.
[[nodiscard]] std::vector<ColorImageRow> write_color_images(const ColorRecognitionOptions& options,
                                                            const std::string& folder, int threads = 0,
                                                            const std::function<bool(std::int64_t)>& progress = {},
                                                            std::int64_t first = 0, std::int64_t count = -1);

}  // namespace modalconflict::dataset
