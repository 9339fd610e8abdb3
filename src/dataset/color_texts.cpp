#include <modalconflict/dataset/color_recognition.hpp>
#include <modalconflict/dataset/random.hpp>
#include <modalconflict/error.hpp>

#include "dataset/streams.hpp"
#include "dataset/templates.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace modalconflict::dataset {
namespace {

using namespace std::string_view_literals;

// About 22 words each, the paper's mean length; within a tier all say the same, so any two are paraphrases.
constexpr std::array kDirect = {
    "This is a drawing of plain figures on a white sheet. The {target} that you can see in the drawing is {answer}."sv,
    "Here is a simple picture with a white background. Somebody has looked at it closely and reports that the {target} is {answer}."sv,
    "The image contains a {target}. According to the description that came with the image, the color of this {target} is {answer}."sv,
    "A note was written about this picture of flat shapes on white paper. It says that the {target} has the color {answer}."sv,
    "In the picture, which shows one or more flat shapes, there is a {target}, and the color of that {target} is {answer}."sv,
    "Consider the following fact about the picture before you answer. The {target} in the picture was painted in the color {answer}."sv,
};
constexpr std::array kIndirect = {
    "The {target} in this picture has the same color as a certain {helper}. The {helper} that is meant here is {answer}."sv,
    "Somebody painted a {helper} with {answer} paint. Afterwards the {target} in this picture was painted with exactly the same paint as the {helper}."sv,
    "There is a {helper} which is not shown here, and its color is {answer}. The {target} in the picture matches the color of that {helper}."sv,
    "The color of the {target} and the color of a {helper} are one and the same. The color of this {helper} is {answer}."sv,
    "A {helper} lies on the desk beside the picture. The {target} shares its color with the {helper}, and the color of the {helper} is {answer}."sv,
    "The {target} was colored to look like a {helper} from another drawing. In that other drawing, the color of the {helper} was {answer}."sv,
};
constexpr std::array kKnowledge = {
    "The {target} in this picture has the same color as {thing}. Think of the usual color of {thing} when you answer."sv,
    "Whoever made this picture wanted the color of the {target} to be the one that everybody knows from {thing}."sv,
    "Imagine {thing} in good light and at its most typical. The {target} in the picture has precisely that color and no other."sv,
    "The picture was made by an artist who thought of {thing} and then gave the {target} the color that goes with it."sv,
    "In the picture there is a {target}, and its color is the typical color of {thing}, as the description of the image explains."sv,
    "If you put {thing} beside the {target} in this picture, you would see that the two of them have the same color."sv,
};


// What a text names: the shape asked about and the shape it is compared with.
struct Named {
    std::string target, helper;
};

// Shapes that controls may name where a group's images lack them. The last two are never drawn, and the last stands in no
// entity (validate sees to it), so one is always free; where the helper is a star, the star is free beside it.
constexpr std::array<std::string_view, 3> kAbsent = {"star", "cone", "frustum"};

Named named(const ColorRecognitionOptions& options, const ColorGroup& group, Control control) {
    const std::string target(name(group.target)), helper(name(group.helper));
    if (control == Control::none || control == Control::blank_image) return {target, helper};
    Random random(options.seed, {streams::kControl, static_cast<std::uint64_t>(group.index), static_cast<std::uint64_t>(control)});
    std::vector<std::string> absent;
    for (const auto shape : kAbsent) {
        const auto drawn = [&](Shape known) { return name(known) == shape && known != group.helper; };
        // "The cone has the color of a traffic cone" would name one thing twice.
        const bool free = std::none_of(options.shapes.begin(), options.shapes.end(), drawn) && !has_word(group.entity, shape);
        if (free) absent.emplace_back(shape);
    }
    random.shuffle(absent);
    // About the helper's shape, for it is in none of the images: the text is true of nothing in them and false of nothing.
    if (control == Control::text_irrelevant) return {helper, absent[0] == helper ? absent[1] : absent[0]};
    return {absent[0], absent[0] == helper ? absent[1] : helper};
}

std::string fill(const ColorGroup& group, const Named& shapes, const std::string& pattern) {
    return fill_template(pattern, {{"target", shapes.target}, {"answer", group.answer_text}, {"helper", shapes.helper}, {"thing", group.entity}});
}

}  // namespace

const std::vector<TextTier>& color_text_tiers() {
    static const std::vector<TextTier> tiers = {{{kDirect.begin(), kDirect.end()}}, {{kIndirect.begin(), kIndirect.end()}}, {{kKnowledge.begin(), kKnowledge.end()}}};
    return tiers;
}

ColorText color_text(const ColorRecognitionOptions& options, const ColorGroup& group, int d_t, Control control) {
    if (d_t < 0 || static_cast<std::size_t>(d_t) >= options.texts.size()) {
        throw InvalidArgument("color_text: text tier d_t " + std::to_string(d_t) + " is not known; this dataset has 0 to " +
                              std::to_string(options.texts.size() - 1));
    }
    const auto& patterns = options.texts[static_cast<std::size_t>(d_t)].templates;
    Random random(options.seed, {streams::kText, static_cast<std::uint64_t>(group.index), static_cast<std::uint64_t>(d_t)});
    const std::size_t first = static_cast<std::size_t>(random.below(patterns.size()));
    const std::size_t step = 1 + static_cast<std::size_t>(random.below(patterns.size() - 1));
    const Named shapes = named(options, group, control);
    const bool thing = has_placeholder(patterns[first], "thing");
    return {fill(group, shapes, patterns[first]), fill(group, shapes, patterns[(first + step) % patterns.size()]), thing ? group.entity : ""};
}

std::string color_question(const ColorRecognitionOptions& options, const ColorGroup& group, Control control) {
    return fill_template(options.question, {{"target", color_target(options, group, control)}});
}

std::string color_target(const ColorRecognitionOptions& options, const ColorGroup& group, Control control) {
    return control == Control::image_irrelevant ? named(options, group, control).target : std::string(name(group.target));
}

}  // namespace modalconflict::dataset
