#include <modalconflict/dataset/color_recognition.hpp>
#include <modalconflict/error.hpp>

#include <gtest/gtest.h>

#include <functional>
#include <limits>

using namespace modalconflict::dataset;
using modalconflict::InvalidArgument;

namespace {

// The message of what validate refuses after the change; empty if it does not.
std::string refusal(const std::function<void(ColorRecognitionOptions&)>& change) {
    ColorRecognitionOptions options;
    change(options);
    try {
        validate(options);
    } catch (const InvalidArgument& error) {
        return error.what();
    }
    return "";
}

}  // namespace

TEST(ColorOptions, DefaultsAreValid) {
    EXPECT_EQ(refusal([](auto&) {}), "");
    for (const TextTier& tier : color_text_tiers()) EXPECT_GE(tier.templates.size(), 5U);
}

TEST(ColorOptions, RefusalsNameTheField) {
    const std::pair<const char*, std::function<void(ColorRecognitionOptions&)>> cases[] = {
        {"groups", [](auto& o) { o.groups = 0; }},
        {"shapes holds a value outside", [](auto& o) { o.shapes[1] = static_cast<Shape>(244); }},
        {"min_visible_fraction", [](auto& o) { o.min_visible_fraction = std::numeric_limits<double>::quiet_NaN(); }},
        {"tiers has 0", [](auto& o) { o.tiers.clear(); }},
        {"tiers[2] canvas", [](auto& o) { o.tiers[2].width = 15; }},
        {"tiers[0].target_side", [](auto& o) { o.tiers[0].target_side_max = 700; }},
        {"tiers[1].distractor_side", [](auto& o) { o.tiers[1].distractor_side_min = 0; }},
        {"tiers[1].distractors", [](auto& o) { o.tiers[1].distractors = -1; }},
        {"tiers[5].occlusion_percent", [](auto& o) { o.tiers[5].occlusion_percent = 101; }},
        {"tiers[5].separate", [](auto& o) { o.tiers[5].separate = true; }},
        {"colors has 2", [](auto& o) { o.colors.resize(2); }},
        {"colors[1].name", [](auto& o) { o.colors[1].name = "Deep blue"; }},
        {"colors[1].name", [](auto& o) { o.colors[1].name = "red"; }},
        {"colors[1].rgb", [](auto& o) { o.colors[1].rgb = {250, 250, 250}; }},
        {"colors[1].rgb", [](auto& o) { o.colors[1].rgb = o.colors[0].rgb; }},
        {"colors[0].entities is empty", [](auto& o) { o.colors[0].entities.clear(); }},
        {"which names the color blue", [](auto& o) { o.colors[0].entities = {"a blue whale"}; }},
        {"which names the shape star", [](auto& o) { o.colors[0].entities = {"a star fruit"}; }},
        {"shapes", [](auto& o) { o.shapes.resize(2); }},
        {"shapes", [](auto& o) { o.shapes[1] = o.shapes[0]; }},
        {"texts has 0", [](auto& o) { o.texts.clear(); }},
        {"texts[0].templates has 1", [](auto& o) { o.texts[0].templates.resize(1); }},
        {"texts[0].templates[0]", [](auto& o) { o.texts[0].templates[0] = "No shape is {answer}."; }},
        {"texts[0].templates[1]", [](auto& o) { o.texts[0].templates[1] = "The {target} is {thing}."; }},
        {"texts[0].templates[0] names the color green", [](auto& o) { o.texts[0].templates[0] = "The {target} on green paper is {answer}."; }},
        {"texts[0].templates[0] names the shape heart", [](auto& o) { o.texts[0].templates[0] = "The heart and {target} are {answer}."; }},
        {"placeholder {colour}", [](auto& o) { o.texts[0].templates[0] = "The {target} is {answer} {colour}."; }},
        {"question", [](auto& o) { o.question = "What is it?"; }},
    };
    for (const auto& [expected, change] : cases) EXPECT_NE(refusal(change).find(expected), std::string::npos) << expected << " in: " << refusal(change);
}

TEST(ColorOptions, ImpossibleTierIsNamed) {
    ColorRecognitionOptions options;
    options.tiers = {{64, 64, 20, 20, 20, 20, 40, 0, true}};
    try {
        (void)color_scene(options, color_group(options, 0), 0);
        FAIL();
    } catch (const InvalidArgument& error) {
        EXPECT_NE(std::string(error.what()).find("tiers[0] do not fit"), std::string::npos);
    }
}

TEST(ColorControl, NamesGoBothWays) {
    for (const auto control : {Control::none, Control::text_irrelevant, Control::image_irrelevant, Control::blank_image}) {
        EXPECT_EQ(control_from_name(name(control)), control);
    }
    EXPECT_THROW((void)control_from_name("noise"), InvalidArgument);
}
