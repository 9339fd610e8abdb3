// Color Recognition from any options: what validate() accepts can be drawn and asked, or is refused in our words.
#include "own_errors.hpp"
#include "values.hpp"

#include <modalconflict/dataset/color_recognition.hpp>

namespace mc = modalconflict;
using namespace modalconflict::dataset;

namespace {

int side(FuzzedDataProvider& in) { return in.ConsumeIntegralInRange(0, 31) == 0 ? in.ConsumeIntegral<int>() : in.ConsumeIntegralInRange(0, 96); }

VisionTier tier_of(FuzzedDataProvider& in) {
    VisionTier tier;
    tier.width = side(in);
    tier.height = side(in);
    tier.target_side_min = side(in) / 4;
    tier.target_side_max = in.ConsumeBool() ? tier.target_side_min : side(in);
    tier.distractor_side_min = side(in) / 4;
    tier.distractor_side_max = in.ConsumeBool() ? tier.distractor_side_min : side(in);
    tier.distractors = in.ConsumeIntegralInRange(0, 15) == 0 ? in.ConsumeIntegral<int>() : in.ConsumeIntegralInRange(0, 4);
    tier.occlusion_percent = in.ConsumeBool() ? 0 : side(in);
    tier.separate = in.ConsumeBool();
    return tier;
}

std::string text_of(FuzzedDataProvider& in) {
    static const char* const kTemplates[] = {"The {target} is {answer}.", "A {target} is as {thing}.", "{helper} {target} {answer}", "{", "}", "{x}", "", "What is {target}?"};
    return in.ConsumeBool() ? kTemplates[in.ConsumeIntegralInRange<std::size_t>(0, 7)] : in.ConsumeRandomLengthString(40);
}

ColorRecognitionOptions options_of(FuzzedDataProvider& in) {
    ColorRecognitionOptions options;
    options.groups = in.ConsumeBool() ? 400 : in.ConsumeIntegral<std::int64_t>();
    options.seed = in.ConsumeIntegral<std::uint64_t>();
    options.min_visible_fraction = in.ConsumeBool() ? 0.6 : mc::fuzz::one_value(in, 6);
    options.tiers.resize(in.ConsumeIntegralInRange<std::size_t>(0, 2));
    for (auto& tier : options.tiers) tier = tier_of(in);
    if (in.ConsumeBool()) {
        options.colors.resize(in.ConsumeIntegralInRange<std::size_t>(0, 4));
        for (auto& color : options.colors) {
            color.name = in.ConsumeRandomLengthString(8);
            color.rgb = {in.ConsumeIntegral<std::uint8_t>(), in.ConsumeIntegral<std::uint8_t>(), in.ConsumeIntegral<std::uint8_t>()};
            color.entities.resize(in.ConsumeIntegralInRange<std::size_t>(0, 2));
            for (auto& entity : color.entities) entity = in.ConsumeRandomLengthString(12);
        }
    }
    if (in.ConsumeBool()) {
        options.shapes.resize(in.ConsumeIntegralInRange<std::size_t>(0, 5));
        for (auto& shape : options.shapes) shape = static_cast<Shape>(in.ConsumeIntegralInRange(0, 15) == 0 ? in.ConsumeIntegral<std::uint8_t>() : in.ConsumeIntegralInRange(0, 9));
    }
    if (in.ConsumeBool()) {
        options.texts.resize(in.ConsumeIntegralInRange<std::size_t>(0, 2));
        for (auto& text : options.texts) {
            text.templates.resize(in.ConsumeIntegralInRange<std::size_t>(0, 3));
            for (auto& one : text.templates) one = text_of(in);
        }
    }
    if (in.ConsumeBool()) options.question = text_of(in);
    return options;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    FuzzedDataProvider in(data, size);
    // A name that the caller gave is repeated as it stands, so messages need not be UTF-8 here.
    mc::fuzz::own_errors_only([&] {
        const ColorRecognitionOptions options = options_of(in);
        validate(options);
        const ColorGroup group = color_group(options, in.ConsumeBool() ? 0 : in.ConsumeIntegral<std::int64_t>());
        const int tier = in.ConsumeIntegralInRange(-1, 3);
        const auto control = static_cast<Control>(in.ConsumeIntegralInRange(0, 3));
        (void)color_question(options, group, control);
        mc::fuzz::own_errors_only([&] { (void)color_text(options, group, tier, control); }, false);
        const auto d_v = static_cast<std::size_t>(tier);
        if (d_v < options.tiers.size() && (options.tiers[d_v].width > 256 || options.tiers[d_v].height > 256 || options.tiers[d_v].distractors > 8)) return;
        const ColorScene made = color_scene(options, group, tier);
        mc::fuzz::require(made.measure.visible_fraction >= options.min_visible_fraction, "the target is hidden");
        mc::fuzz::require(!render(made.scene).pixels.empty(), "an empty picture");
    }, false);
    return 0;
}
