#pragma once

#include <modalconflict/dataset/vocabulary.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace modalconflict::dataset {

/// How hard the images of one visual tier d_v are. Sides are in pixels, both ends of a range included.
struct VisionTier {
    int width = 224;  ///< canvas; models resize, so a small one makes figures blur as well as shrink
    int height = 224;
    int target_side_min = 0;  ///< the target's side: smaller is harder to recognise
    int target_side_max = 0;
    int distractor_side_min = 0;  ///< the others' side: near the target's, or size alone would point it out
    int distractor_side_max = 0;
    int distractors = 0;        ///< figures beside the target: more of them are harder to search
    int occlusion_percent = 0;  ///< share of the distractors that overlap the target, rounded half up to a count
    bool separate = false;      ///< no two figures touch at all: the tiers without occlusion
    friend bool operator==(const VisionTier&, const VisionTier&) = default;
};

/// A colour that may be an answer.
struct NamedColor {
    std::string name;                   ///< one lower-case word, for the model answers in one word
    Rgb rgb{};                          ///< as drawn on white
    std::vector<std::string> entities;  ///< things known for it, with their article, without any colour's name
};

/// One textual tier d_t: its templates all say the same, so that any two of them are paraphrases. Placeholders: {target}
/// the shape asked about; {answer} the colour the text claims, or {thing} something known for that colour;
/// {helper} a second shape, which stands in none of the group's images.
struct TextTier {
    std::vector<std::string> templates;
};

/// Cases in which one modality has nothing to say, against which a conflict is judged.
enum class Control : std::uint8_t {
    none,
    text_irrelevant,   ///< the text speaks of another shape
    image_irrelevant,  ///< text and question speak of a shape that the image lacks
    blank_image,       ///< the image is an empty canvas
};
[[nodiscard]] std::string_view name(Control control);
/// @throws InvalidArgument  naming the known ones.
[[nodiscard]] Control control_from_name(std::string_view name);

/// The 14 tiers of the paper (arXiv 2511.02243): 0-4 on 800 x 600, 5-13 on 224 x 224. "20-40 % of the image" is
/// read as the target's side against the image's side.
[[nodiscard]] const std::vector<VisionTier>& color_vision_tiers();

/// The three textual tiers: 0 direct, 1 indirect (through a second shape), 2 knowledge (through a thing of the world).
[[nodiscard]] const std::vector<TextTier>& color_text_tiers();
inline constexpr int kColorTextTiers = 3;

/// The six answers with their entities, in the order of the enumeration.
[[nodiscard]] const std::vector<NamedColor>& color_palette();
/// All shapes, in the order of the enumeration.
[[nodiscard]] const std::vector<Shape>& all_shapes();

/// Settings of the Color Recognition dataset. The defaults are the paper's; every field may be varied for a study
/// of one's own.
struct ColorRecognitionOptions {
    std::int64_t groups = 400;  ///< each gives tiers.size() images; 400 balance six colours to within one
    std::uint64_t seed = 0;     ///< the same seed gives the same pixels and texts on any machine
    /// The target stays recognisable: figures in front of it never hide more than the rest.
    double min_visible_fraction = 0.6;
    std::vector<VisionTier> tiers = color_vision_tiers();  ///< visual difficulty, d_v 0 first
    std::vector<NamedColor> colors = color_palette();      ///< possible answers, balanced over the groups
    std::vector<Shape> shapes = all_shapes();              ///< possible targets, balanced over the groups
    std::vector<TextTier> texts = color_text_tiers();      ///< textual difficulty, d_t 0 first
    std::string question = "What color is the {target}? Answer in one word.";  ///< the command stands in it
};

/// @throws InvalidArgument  naming the field, its place and what it must be.
void validate(const ColorRecognitionOptions& options);

}  // namespace modalconflict::dataset
