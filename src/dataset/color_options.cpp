#include <modalconflict/dataset/color_options.hpp>
#include <modalconflict/error.hpp>

#include "dataset/templates.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <set>
#include <string_view>

namespace modalconflict::dataset {
namespace {

constexpr std::array<std::string_view, 4> kControlNames = {"none", "text_irrelevant", "image_irrelevant", "blank_image"};

[[noreturn]] void refuse(const std::string& field, const std::string& why) {
    throw InvalidArgument("color_recognition: " + field + " " + why);
}

void check_range(const std::string& field, int low, int high, int least, int most) {
    if (low < least || high > most || low > high) {
        refuse(field, "range is " + std::to_string(low) + " to " + std::to_string(high) + "; it must rise and lie within " +
                          std::to_string(least) + " and " + std::to_string(most) + " pixels");
    }
}

void check_tier(const VisionTier& tier, const std::string& field) {
    constexpr int kMaxSide = 8192, kMinSide = 4, kMaxDistractors = 1000;
    if (tier.width < 16 || tier.height < 16 || tier.width > kMaxSide || tier.height > kMaxSide) {
        refuse(field, "canvas is " + std::to_string(tier.width) + " x " + std::to_string(tier.height) + "; each side must lie within 16 and 8192 pixels");
    }
    const int room = std::min(tier.width, tier.height) - 4;  // a clear pixel to each border, and one for rounding
    check_range(field + ".target_side", tier.target_side_min, tier.target_side_max, kMinSide, room);
    if (tier.distractors < 0 || tier.distractors > kMaxDistractors) {
        refuse(field + ".distractors", "is " + std::to_string(tier.distractors) + "; it must lie within 0 and 1000");
    }
    if (tier.distractors > 0) check_range(field + ".distractor_side", tier.distractor_side_min, tier.distractor_side_max, kMinSide, room);
    if (tier.occlusion_percent < 0 || tier.occlusion_percent > 100) {
        refuse(field + ".occlusion_percent", "is " + std::to_string(tier.occlusion_percent) + "; it must lie within 0 and 100");
    }
    if (tier.separate && tier.occlusion_percent > 0) {
        refuse(field + ".separate", "is on while occlusion_percent is " + std::to_string(tier.occlusion_percent) + "; figures cannot both touch and not touch");
    }
}

void check_colors(const std::vector<NamedColor>& colors, std::size_t needed) {
    if (colors.size() < needed || colors.size() > 64) {
        refuse("colors", "has " + std::to_string(colors.size()) + " entries; it must have " + std::to_string(needed) + " to 64: two answers and, beside them, the distractors'");
    }
    for (std::size_t i = 0; i < colors.size(); ++i) {
        const std::string field = "colors[" + std::to_string(i) + "]";
        const NamedColor& color = colors[i];
        const auto odd = [](char c) { return c < 'a' || c > 'z'; };
        if (color.name.empty() || std::any_of(color.name.begin(), color.name.end(), odd)) {
            refuse(field + ".name", "is '" + color.name + "'; it must be one lower-case English word, for models answer in one word");
        }
        if (std::min({color.rgb.red, color.rgb.green, color.rgb.blue}) > 200) refuse(field + ".rgb", "is nearly white, as the canvas is; darken a channel to 200 or less");
        for (std::size_t j = 0; j < i; ++j) {
            const Rgb a = color.rgb, b = colors[j].rgb;
            if (color.name == colors[j].name) refuse(field + ".name", "'" + color.name + "' stands twice; names must differ");
            if (std::max({std::abs(a.red - b.red), std::abs(a.green - b.green), std::abs(a.blue - b.blue)}) < 24) {
                refuse(field + ".rgb", "is nearly that of '" + colors[j].name + "'; some channel must differ by 24 or more");
            }
        }
    }
}

void check_entities(const ColorRecognitionOptions& options) {
    for (std::size_t i = 0; i < options.colors.size(); ++i) {
        const NamedColor& color = options.colors[i];
        const std::string field = "colors[" + std::to_string(i) + "].entities";
        if (color.entities.empty()) refuse(field, "is empty; a text tier names a {thing} known for " + color.name + ", so give at least one");
        for (const std::string& entity : color.entities) {
            if (entity.empty()) refuse(field, "holds an empty name; name a thing with its article");
            if (has_word(entity, "frustum")) refuse(field, "holds '" + entity + "'; a control's text may speak of a frustum, so name another thing");
            for (const NamedColor& other : options.colors) {
                if (has_word(entity, other.name)) refuse(field, "holds '" + entity + "', which names the color " + other.name + "; the answer would stand in the text");
            }
            for (const Shape shape : options.shapes) {
                if (has_word(entity, name(shape))) refuse(field, "holds '" + entity + "', which names the shape " + std::string(name(shape)) + "; the images may show one");
            }
        }
    }
}

void check_pattern(const ColorRecognitionOptions& options, const std::string& pattern, const std::string& field) {
    for (const NamedColor& color : options.colors) {
        if (has_word(pattern, color.name)) refuse(field, "names the color " + color.name + "; write {answer} where the text's color belongs");
    }
    for (const Shape shape : options.shapes) {
        if (has_word(pattern, name(shape))) refuse(field, "names the shape " + std::string(name(shape)) + "; write {target} or {helper}");
    }
    for (const auto shape : {"star", "cone", "frustum"}) {
        if (has_word(pattern, shape)) refuse(field, "names a " + std::string(shape) + ", which a control's question may ask for; leave it out");
    }
    if (!has_placeholder(pattern, "target")) refuse(field, "'" + pattern + "' lacks {target}, the shape that is asked about; put it in");
    (void)fill_template(pattern, {{"target", "x"}, {"answer", "x"}, {"helper", "x"}, {"thing", "x"}});
}

void check_texts(const ColorRecognitionOptions& options) {
    if (options.texts.empty() || options.texts.size() > 16) refuse("texts", "has " + std::to_string(options.texts.size()) + " tiers; it must have 1 to 16");
    bool things = false;
    for (std::size_t i = 0; i < options.texts.size(); ++i) {
        const auto& templates = options.texts[i].templates;
        const std::string field = "texts[" + std::to_string(i) + "].templates";
        if (templates.size() < 2) refuse(field, "has " + std::to_string(templates.size()) + " entries; give at least two, one is the other's paraphrase");
        if (std::set<std::string>(templates.begin(), templates.end()).size() != templates.size()) refuse(field, "holds a template twice; a paraphrase must differ");
        for (std::size_t j = 0; j < templates.size(); ++j) {
            const std::string where = field + "[" + std::to_string(j) + "]";
            check_pattern(options, templates[j], where);
            const bool answer = has_placeholder(templates[j], "answer"), thing = has_placeholder(templates[j], "thing");
            if (answer == thing) refuse(where, "must hold {answer} or {thing}, and not both: the text claims one color in one way");
            if (thing != has_placeholder(templates[0], "thing") || has_placeholder(templates[j], "helper") != has_placeholder(templates[0], "helper")) {
                refuse(where, "holds other placeholders than the tier's first; a tier's templates must say the same");
            }
            things = things || thing;
        }
    }
    if (things) check_entities(options);
}

}  // namespace

std::string_view name(Control control) { return kControlNames.at(static_cast<std::size_t>(control)); }

Control control_from_name(std::string_view wanted) {
    for (std::size_t i = 0; i < kControlNames.size(); ++i) {
        if (kControlNames[i] == wanted) return static_cast<Control>(i);
    }
    throw InvalidArgument("control '" + std::string(wanted) + "' is not known; choose one of none, text_irrelevant, image_irrelevant, blank_image");
}

const std::vector<NamedColor>& color_palette() {
    static const std::vector<NamedColor> palette = [] {
        std::vector<NamedColor> made;
        for (std::size_t i = 0; i < kColorCount; ++i) {
            const auto color = static_cast<Color>(i);
            const auto things = entities(color);
            made.push_back({std::string(name(color)), rgb(color), {things.begin(), things.end()}});
        }
        return made;
    }();
    return palette;
}

const std::vector<Shape>& all_shapes() {
    static const std::vector<Shape> shapes = [] {
        std::vector<Shape> made;
        for (std::size_t i = 0; i < kShapeCount; ++i) made.push_back(static_cast<Shape>(i));
        return made;
    }();
    return shapes;
}

const std::vector<VisionTier>& color_vision_tiers() {
    static const std::vector<VisionTier> tiers = [] {
        std::vector<VisionTier> made;
        for (int n = 0; n <= 4; ++n) made.push_back({800, 600, 80, 200, 60, 160, n, 0, true});
        made.push_back({224, 224, 45, 89, 24, 48, 7, 50, false});
        made.push_back({224, 224, 45, 89, 24, 48, 10, 80, false});
        made.push_back({224, 224, 12, 22, 10, 24, 7, 50, false});
        made.push_back({224, 224, 12, 22, 10, 24, 11, 80, false});
        const int counts[] = {20, 30, 40, 55, 70};
        const int rates[] = {30, 60, 50, 60, 70};
        for (int i = 0; i < 5; ++i) made.push_back({224, 224, 9, 13, 8, 16, counts[i], rates[i], false});
        return made;
    }();
    return tiers;
}

void validate(const ColorRecognitionOptions& options) {
    if (options.groups < 1) refuse("groups", "is " + std::to_string(options.groups) + "; it must be at least 1");
    if (!(options.min_visible_fraction >= 0.0 && options.min_visible_fraction <= 1.0)) refuse("min_visible_fraction", "must lie within 0 and 1");
    if (options.tiers.empty() || options.tiers.size() > 100) refuse("tiers", "has " + std::to_string(options.tiers.size()) + " entries; it must have 1 to 100");
    bool distractors = false;
    for (std::size_t i = 0; i < options.tiers.size(); ++i) {
        check_tier(options.tiers[i], "tiers[" + std::to_string(i) + "]");
        distractors = distractors || options.tiers[i].distractors > 0;
    }
    const std::size_t needed = distractors ? 3 : 2;
    if (options.shapes.size() < needed || std::set<Shape>(options.shapes.begin(), options.shapes.end()).size() != options.shapes.size()) {
        refuse("shapes", "must hold " + std::to_string(needed) + " shapes or more, each once: the target's, the helper's and, beside them, the distractors'");
    }
    for (const Shape shape : options.shapes) {
        if (static_cast<std::size_t>(shape) >= kShapeCount) refuse("shapes", "holds a value outside the enumeration; use the shapes that it names");
    }
    check_colors(options.colors, needed);
    check_texts(options);
    if (!has_placeholder(options.question, "target")) refuse("question", "lacks {target}, the shape that is asked about; put it in");
    (void)fill_template(options.question, {{"target", "x"}});
    for (const NamedColor& color : options.colors) {
        if (has_word(options.question, color.name)) refuse("question", "names the color " + color.name + ", which may be an answer; leave it out");
    }
}

}  // namespace modalconflict::dataset
