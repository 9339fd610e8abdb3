#include <modalconflict/dataset/color_recognition.hpp>
#include <modalconflict/dataset/random.hpp>
#include <modalconflict/error.hpp>

#include "dataset/streams.hpp"

#include <span>
#include <string_view>

namespace modalconflict::dataset {
namespace {

using namespace std::string_view_literals;

// {a} the target's shape, {t} the colour the text claims, {b} the helper's shape, {d} the thing. About 22 words each,
// the paper's mean length; within a tier all say the same, so any two are paraphrases.
constexpr std::array kDirect = {
    "This is a drawing of plain figures on a white sheet. The {a} that you can see in the drawing is {t}."sv,
    "Here is a simple picture with a white background. Somebody has looked at it closely and reports that the {a} is {t}."sv,
    "The image contains a {a}. According to the description that came with the image, the color of this {a} is {t}."sv,
    "A note was written about this picture of flat shapes on white paper. It says that the {a} has the color {t}."sv,
    "In the picture, which shows one or more flat shapes, there is a {a}, and the color of that {a} is {t}."sv,
    "Consider the following fact about the picture before you answer. The {a} in the picture was painted in the color {t}."sv,
};
constexpr std::array kIndirect = {
    "The {a} in this picture has the same color as a certain {b}. The {b} that is meant here is {t}."sv,
    "Somebody painted a {b} with {t} paint. Afterwards the {a} in this picture was painted with exactly the same paint as the {b}."sv,
    "There is a {b} which is not shown here, and its color is {t}. The {a} in the picture matches the color of that {b}."sv,
    "The color of the {a} and the color of a {b} are one and the same. The color of this {b} is {t}."sv,
    "A {b} lies on the desk beside the picture. The {a} shares its color with the {b}, and the color of the {b} is {t}."sv,
    "The {a} was colored to look like a {b} from another drawing. In that other drawing, the color of the {b} was {t}."sv,
};
constexpr std::array kKnowledge = {
    "The {a} in this picture has the same color as {d}. Think of the usual color of {d} when you answer."sv,
    "Whoever made this picture wanted the color of the {a} to be the one that everybody knows from {d}."sv,
    "Imagine {d} in good light and at its most typical. The {a} in the picture has precisely that color and no other."sv,
    "The picture was made by an artist who thought of {d} and then gave the {a} the color that goes with it."sv,
    "In the picture there is a {a}, and its color is the typical color of {d}, as the description of the image explains."sv,
    "If you put {d} beside the {a} in this picture, you would see that the two of them have the same color."sv,
};

std::span<const std::string_view> templates(int d_t) {
    switch (d_t) {
        case 0: return kDirect;
        case 1: return kIndirect;
        case 2: return kKnowledge;
        default:
            throw InvalidArgument("color_text: text tier d_t " + std::to_string(d_t) +
                                  " is not known; Color Recognition has 0 (direct), 1 (indirect) and 2 (knowledge)");
    }
}

std::string fill(std::string_view pattern, const ColorGroup& group) {
    std::string text;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        if (pattern[i] != '{') {
            text += pattern[i];
            continue;
        }
        switch (pattern[i + 1]) {
            case 'a': text += name(group.target); break;
            case 't': text += name(group.answer_text); break;
            case 'b': text += name(group.helper); break;
            default: text += group.entity; break;
        }
        i += 2;
    }
    // "a arrow": the only shape whose name starts with a vowel sound.
    for (std::size_t at = 0; (at = text.find(" a arrow", at)) != std::string::npos;) text.replace(at, 8, " an arrow");
    if (text.starts_with("A arrow")) text.replace(0, 7, "An arrow");
    return text;
}

}  // namespace

ColorText color_text(const ColorRecognitionOptions& options, const ColorGroup& group, int d_t) {
    const auto patterns = templates(d_t);
    Random random(options.seed, {streams::kText, static_cast<std::uint64_t>(group.index), static_cast<std::uint64_t>(d_t)});
    const std::size_t first = static_cast<std::size_t>(random.below(patterns.size()));
    const std::size_t step = 1 + static_cast<std::size_t>(random.below(patterns.size() - 1));
    return {fill(patterns[first], group), fill(patterns[(first + step) % patterns.size()], group)};
}

std::string color_question(const ColorGroup& group) {
    return "What color is the " + std::string(name(group.target)) + "? Answer in one word.";
}

}  // namespace modalconflict::dataset
