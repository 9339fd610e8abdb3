#include <modalconflict/dataset/attribute_recognition.hpp>
#include <modalconflict/dataset/random.hpp>
#include <modalconflict/error.hpp>

#include "dataset/streams.hpp"
#include "dataset/templates.hpp"

#include <array>

namespace modalconflict::dataset {
namespace {

using namespace std::string_view_literals;

constexpr std::array kDirect = {
    "This is a picture of solid objects on a plain floor. The {target} that you can see in the picture is {claim}."sv,
    "Somebody has looked at this scene closely and reports one thing about it, namely that the {target} on the floor is {claim}."sv,
    "A note was written about this picture of a few objects on the floor. It says that the {target} is {claim}."sv,
    "Consider the following fact about the scene before you answer the question. The {target} that stands in it is {claim}."sv,
    "In the picture, which shows several solid objects under a lamp, there is a {target}, and that {target} is {claim}."sv,
};
constexpr std::array kIndirect = {
    "The {target} in this picture has the same {attribute} as a certain {helper}. The {helper} that is meant here is {claim}."sv,
    "There is a {helper} which is not shown here, and it is {claim}. The {target} in the picture matches the {attribute} of that {helper}."sv,
    "The {attribute} of the {target} and the {attribute} of a {helper} are one and the same. The {helper} in question is {claim}."sv,
    "A {helper} lies in a drawer beside the scene. The {target} shares its {attribute} with the {helper}, and the {helper} is {claim}."sv,
    "The {target} was chosen to go with a {helper} of the same {attribute} from another scene. There, the {helper} was {claim}."sv,
};
constexpr std::array kKnowledge = {
    "The {target} in this picture has the same {attribute} as {thing}. Think of the usual {attribute} of {thing} when you answer."sv,
    "Whoever set up this scene wanted the {attribute} of the {target} to be the one that everybody knows from {thing}."sv,
    "Imagine {thing} at its most typical. The {target} in the picture has precisely that {attribute} and no other one at all."sv,
    "In the picture there is a {target}, and its {attribute} is the typical {attribute} of {thing}, as the scene's description explains."sv,
    "If you put {thing} beside the {target} in this picture, you would find that the two of them have the same {attribute}."sv,
};
constexpr std::array kSpatial = {
    "There is a {helper} that is {claim}. {beside} is a {second}. The {target} has the same {attribute} as the object {opposite} the {second}."sv,
    "A {helper} stands on a table, and it is {claim}. {beside} stands a {second}. The {target} shares its {attribute} with the object {opposite} the {second}."sv,
    "Think of a {helper} that is {claim}. {beside} lies a {second}. The {attribute} of the {target} is that of the object {opposite} the {second}."sv,
    "On another floor there is a {helper}, and it is {claim}. {beside} there is a {second}. The {target} and the object {opposite} the {second} have the same {attribute}."sv,
    "Somebody owns a {helper} that is {claim}. {beside} they keep a {second}. What is {opposite} the {second} has the same {attribute} as the {target}."sv,
};

constexpr std::array kSphere = {"a basketball"sv, "the full Moon"sv, "a glass marble"sv, "a billiard ball"sv, "a globe"sv, "a soap bubble"sv,
                                "a snowball"sv, "a ping-pong ball"sv, "a cannonball"sv, "a tennis ball"sv, "a pearl"sv, "a bowling ball"sv};
constexpr std::array kCube = {"a playing die"sv, "a Minecraft block"sv, "a child's alphabet block"sv, "a lump of sugar"sv, "a Rubik's puzzle"sv,
                              "a crouton"sv, "a block of tofu"sv, "a caramel candy"sv, "a square gift box"sv, "a piece of diced cheese"sv,
                              "a paperweight in the form of a die"sv, "a six-sided die"sv};
constexpr std::array kCylinder = {"a soup can"sv, "a flashlight battery"sv, "a bass drum"sv, "a tree trunk"sv, "a church candle"sv, "a roll of kitchen paper"sv,
                                  "a soda can"sv, "a water pipe"sv, "a wine cork"sv, "an oil barrel"sv, "a rolling pin"sv, "a piece of chalk"sv};
constexpr std::array kMetal = {"a coin"sv, "a house key"sv, "a frying pan"sv, "an anvil"sv, "a trumpet"sv, "a paper clip"sv,
                               "a horseshoe"sv, "a church bell"sv, "a nail"sv, "a knight's armor"sv, "a railway track"sv, "a wrench"sv};
constexpr std::array kRubber = {"a car tire"sv, "a pencil eraser"sv, "a party balloon"sv, "a bouncy ball"sv, "a bicycle's inner tube"sv, "a hockey puck"sv,
                                "a rain boot"sv, "a bath plug"sv, "a hot-water bottle"sv, "an elastic band"sv, "a dishwashing glove"sv, "a squash ball"sv};

constexpr std::array<std::string_view, 2> kSubsets = {"shape", "material"};

struct Side {
    std::string_view beside, opposite;
};
constexpr std::array<Side, 4> kSides = {{{"to its left", "to the right of"}, {"to its right", "to the left of"}, {"in front of it", "behind"}, {"behind it", "in front of"}}};

[[noreturn]] void refuse(const std::string& field, const std::string& why) { throw InvalidArgument("attribute_recognition: " + field + " " + why); }

void check_pattern(const std::string& pattern, const std::string& field) {
    if (!has_placeholder(pattern, "target")) refuse(field, "'" + pattern + "' lacks {target}, the object that is asked about; put it in");
    if (has_placeholder(pattern, "claim") == has_placeholder(pattern, "thing")) refuse(field, "must hold {claim} or {thing}, and not both");
    (void)fill_template(pattern, {{"target", "x"}, {"attribute", "x"}, {"claim", "x"}, {"helper", "x"}, {"second", "x"}, {"thing", "x"}, {"beside", "x"}, {"opposite", "x"}});
    for (std::size_t i = 0; i < kSolidCount + kMaterialCount; ++i) {
        const auto word = i < kSolidCount ? name(static_cast<Solid>(i)) : name(static_cast<Material>(i - kSolidCount));
        if (has_word(pattern, word)) refuse(field, "names '" + std::string(word) + "', which may be an answer; write {claim}");
    }
}

template <std::size_t N>
TextTier tier(const std::array<std::string_view, N>& patterns) {
    return {{patterns.begin(), patterns.end()}};
}

void check_between(const char* field, double value, double low, double high) {
    if (!(value >= low && value <= high)) refuse(field, "is " + std::to_string(value) + "; it must lie within " + std::to_string(low) + " and " + std::to_string(high));
}

}  // namespace

std::string_view name(AttributeSubset subset) { return kSubsets.at(static_cast<std::size_t>(subset)); }

AttributeSubset subset_from_name(std::string_view wanted) {
    for (std::size_t i = 0; i < kSubsets.size(); ++i) {
        if (kSubsets[i] == wanted) return static_cast<AttributeSubset>(i);
    }
    throw InvalidArgument("subset '" + std::string(wanted) + "' is not known; choose shape or material");
}

const std::vector<SolidTier>& attribute_vision_tiers() {
    static const std::vector<SolidTier> tiers = {{3, 4, true}, {6, 8, true}, {6, 8, false}, {10, 12, false}};
    return tiers;
}

const std::vector<TextTier>& attribute_text_tiers() {
    static const std::vector<TextTier> tiers = {tier(kDirect), tier(kIndirect), tier(kKnowledge), tier(kSpatial)};
    return tiers;
}

std::span<const std::string_view> entities(Solid solid) {
    switch (solid) {
        case Solid::sphere: return kSphere;
        case Solid::cube: return kCube;
        case Solid::cylinder: return kCylinder;
    }
    throw InvalidArgument("entities: the solid is outside the enumeration; use sphere, cube or cylinder");
}

std::span<const std::string_view> entities(Material material) {
    switch (material) {
        case Material::metal: return kMetal;
        case Material::rubber: return kRubber;
    }
    throw InvalidArgument("entities: the material is outside the enumeration; use metal or rubber");
}

void validate(const AttributeRecognitionOptions& options) {
    if (options.groups < 1) refuse("groups", "is " + std::to_string(options.groups) + "; it must be at least 1");
    if (options.width < 64 || options.height < 64 || options.width > 4096 || options.height > 4096) {
        refuse("canvas", "is " + std::to_string(options.width) + " x " + std::to_string(options.height) + "; each side must lie within 64 and 4096 pixels");
    }
    if (options.tiers.empty() || options.tiers.size() > 100) refuse("tiers", "has " + std::to_string(options.tiers.size()) + " entries; it must have 1 to 100");
    for (std::size_t i = 0; i < options.tiers.size(); ++i) {
        const SolidTier& one = options.tiers[i];
        if (one.objects_min < 1 || one.objects_max > 40 || one.objects_min > one.objects_max) {
            refuse("tiers[" + std::to_string(i) + "].objects", "range is " + std::to_string(one.objects_min) + " to " + std::to_string(one.objects_max) + "; it must rise and lie within 1 and 40");
        }
    }
    if (options.texts.empty() || options.texts.size() > 16) refuse("texts", "has " + std::to_string(options.texts.size()) + " tiers; it must have 1 to 16");
    for (std::size_t i = 0; i < options.texts.size(); ++i) {
        const auto& templates = options.texts[i].templates;
        const std::string field = "texts[" + std::to_string(i) + "].templates";
        if (templates.size() < 2) refuse(field, "has " + std::to_string(templates.size()) + " entries; give at least two, one is the other's paraphrase");
        for (std::size_t j = 0; j < templates.size(); ++j) check_pattern(templates[j], field + "[" + std::to_string(j) + "]");
    }
    if (!has_placeholder(options.question, "target")) refuse("question", "lacks {target}, the object that is asked about; put it in");
    (void)fill_template(options.question, {{"target", "x"}, {"attribute", "x"}});
    check_between("min_visible_fraction", options.min_visible_fraction, 0.0, 1.0);
    check_between("min_visible_pixels", options.min_visible_pixels, 0, 100000);
    check_between("min_distance", options.min_distance, 0.0, 3.0);
    check_between("margin", options.margin, 0.0, 3.0);
    check_between("camera_jitter", options.camera_jitter, 0.0, 1.0);
    check_between("lamp_jitter", options.lamp_jitter, 0.0, 2.0);
    check_between("lamp_radius", options.lamp_radius, 0.0, 3.0);
}

std::string attribute_target(const AttributeGroup& group) { return std::string(name(group.color)) + " object"; }

std::string attribute_question(const AttributeRecognitionOptions& options, const AttributeGroup& group) {
    return fill_template(options.question, {{"target", attribute_target(group)}, {"attribute", name(options.subset)}});
}

AttributeText attribute_text(const AttributeRecognitionOptions& options, const AttributeGroup& group, int d_t) {
    if (d_t < 0 || static_cast<std::size_t>(d_t) >= options.texts.size()) {
        throw InvalidArgument("attribute_text: text tier d_t " + std::to_string(d_t) + " is not known; this dataset has 0 to " +
                              std::to_string(options.texts.size() - 1));
    }
    const auto& patterns = options.texts[static_cast<std::size_t>(d_t)].templates;
    Random random(options.seed, {streams::kAttributeText, static_cast<std::uint64_t>(options.subset), static_cast<std::uint64_t>(group.index),
                                 static_cast<std::uint64_t>(d_t)});
    const std::size_t first = static_cast<std::size_t>(random.below(patterns.size()));
    const std::size_t step = 1 + static_cast<std::size_t>(random.below(patterns.size() - 1));
    const Side& side = kSides[static_cast<std::size_t>(random.below(kSides.size()))];
    const std::string target = attribute_target(group), helper = std::string(name(group.helper)) + " object",
                      second = std::string(name(group.second)) + " object";
    const std::string claim = options.subset == AttributeSubset::shape ? std::string("a ").append(group.answer_text)
                                                                 : std::string("made of ").append(group.answer_text);
    const auto fill = [&](const std::string& pattern) {
        return fill_template(pattern, {{"target", target}, {"attribute", name(options.subset)}, {"claim", claim}, {"helper", helper},
                                       {"second", second}, {"thing", group.entity}, {"beside", side.beside}, {"opposite", side.opposite}});
    };
    const bool thing = has_placeholder(patterns[first], "thing");
    return {fill(patterns[first]), fill(patterns[(first + step) % patterns.size()]), thing ? group.entity : ""};
}

}  // namespace modalconflict::dataset
