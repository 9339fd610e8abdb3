// Attribute Recognition from any options: what validate() accepts can be placed and asked, or is refused in our words.
#include "own_errors.hpp"
#include "values.hpp"

#include <modalconflict/dataset/attribute_recognition.hpp>

namespace mc = modalconflict;
using namespace modalconflict::dataset;

namespace {

double number(FuzzedDataProvider& in, double usual) { return in.ConsumeBool() ? usual : mc::fuzz::one_value(in, 6); }
int whole(FuzzedDataProvider& in, int low, int high) { return in.ConsumeIntegralInRange(0, 31) == 0 ? in.ConsumeIntegral<int>() : in.ConsumeIntegralInRange(low, high); }

AttributeRecognitionOptions options_of(FuzzedDataProvider& in) {
    AttributeRecognitionOptions options;
    options.subset = in.ConsumeBool() ? AttributeSubset::shape : AttributeSubset::material;
    options.groups = in.ConsumeBool() ? 300 : in.ConsumeIntegral<std::int64_t>();
    options.seed = in.ConsumeIntegral<std::uint64_t>();
    options.width = whole(in, 60, 128);
    options.height = whole(in, 60, 128);
    options.tiers.resize(in.ConsumeIntegralInRange<std::size_t>(0, 2));
    for (auto& tier : options.tiers) {
        tier.objects_min = whole(in, 0, 4);
        tier.objects_max = whole(in, 0, 4);
        tier.large = in.ConsumeBool();
    }
    if (in.ConsumeBool()) {
        options.texts.resize(in.ConsumeIntegralInRange<std::size_t>(0, 2));
        for (auto& text : options.texts) {
            text.templates.resize(in.ConsumeIntegralInRange<std::size_t>(0, 3));
            for (auto& one : text.templates) one = in.ConsumeBool() ? "The {target} is {claim}." : in.ConsumeRandomLengthString(40);
        }
    }
    if (in.ConsumeBool()) options.question = in.ConsumeRandomLengthString(40);
    options.min_visible_fraction = number(in, 0.3);
    options.min_visible_pixels = whole(in, 0, 60);
    options.min_distance = number(in, 0.25);
    options.margin = number(in, 0.3);
    options.camera_jitter = number(in, 0.5);
    options.lamp_jitter = number(in, 1.0);
    options.lamp_radius = number(in, 0.7);
    return options;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    FuzzedDataProvider in(data, size);
    mc::fuzz::own_errors_only([&] {
        const AttributeRecognitionOptions options = options_of(in);
        validate(options);
        const AttributeGroup group = attribute_group(options, in.ConsumeBool() ? 0 : in.ConsumeIntegral<std::int64_t>());
        const int tier = in.ConsumeIntegralInRange(-1, 3);
        (void)attribute_question(options, group);
        mc::fuzz::own_errors_only([&] { (void)attribute_text(options, group, tier); }, false);
        const auto d_v = static_cast<std::size_t>(tier);
        // Placing measures every try on the whole canvas: one scene in sixteen, small ones only, keeps the fuzzer quick.
        if (in.ConsumeIntegralInRange(0, 15) != 0 || options.width > 128 || options.height > 128) return;
        if (d_v < options.tiers.size() && options.tiers[d_v].objects_max > 4) return;
        const AttributeScene made = attribute_scene(options, group, tier);
        mc::fuzz::require(made.visible_fraction() >= options.min_visible_fraction, "the target is hidden");
    }, false);
    return 0;
}
