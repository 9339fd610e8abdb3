#include <modalconflict/engine/safetensors.hpp>
#include <modalconflict/error.hpp>
#include <modalconflict/lens/tuned_lens.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <random>
#include <vector>

namespace modalconflict {
namespace {

std::vector<float> normal(std::int64_t size, unsigned seed) {
    std::mt19937 generator(seed);
    std::normal_distribution<float> distribution(0.0F, 0.5F);
    std::vector<float> values(static_cast<std::size_t>(size));
    for (float& value : values) value = distribution(generator);
    return values;
}

struct Example {
    static constexpr std::int64_t kLayers = 3, kWidth = 300, kCount = 5, kStride = 310;
    std::vector<float> weight = normal(kLayers * kWidth * kWidth, 1);
    std::vector<float> bias = normal(kLayers * kWidth, 2);
    std::vector<float> states = normal(kCount * kStride, 3);

    [[nodiscard]] TunedLens lens() const {
        TunedLens result;
        result.layers = kLayers;
        result.width = kWidth;
        result.weight = {weight.data(), WeightType::float32, kLayers * kWidth, kWidth};
        result.bias = {bias.data(), WeightType::float32, kLayers * kWidth};
        return result;
    }

    [[nodiscard]] double expected(std::int64_t layer, std::int64_t i, std::int64_t k) const {
        const auto at = [](const std::vector<float>& values, std::int64_t index) {
            return static_cast<double>(values[static_cast<std::size_t>(index)]);
        };
        double sum = at(states, i * kStride + k) + at(bias, layer * kWidth + k);
        for (std::int64_t j = 0; j < kWidth; ++j) sum += at(weight, (layer * kWidth + k) * kWidth + j) * at(states, i * kStride + j);
        return sum;
    }
};

TEST(TunedLens, AddsTheTranslationToEveryState) {
    const Example example;
    for (const std::int64_t layer : {0, 2}) {
        auto states = example.states;
        translate(example.lens(), layer, states.data(), Example::kCount, Example::kStride);
        for (std::int64_t i = 0; i < Example::kCount; ++i) {
            for (std::int64_t k = 0; k < Example::kWidth; ++k) {
                EXPECT_NEAR(states[static_cast<std::size_t>(i * Example::kStride + k)], example.expected(layer, i, k), 1e-3);
            }
            // what lies between two states is nobody's
            EXPECT_EQ(states[static_cast<std::size_t>(i * Example::kStride + Example::kWidth)],
                      example.states[static_cast<std::size_t>(i * Example::kStride + Example::kWidth)]);
        }
    }
}

TEST(TunedLens, IsReadFromASafetensorsFile) {
    const Example example;
    const auto path = std::filesystem::temp_directory_path() / "modalconflict-tuned-lens-test.safetensors";
    write_safetensors(path, {{"weight", {example.weight.data(), DType::float32, {3, 300, 300}}},
                             {"bias", {example.bias.data(), DType::float32, {3, 300}}}});
    const TunedLens read = TunedLens::load(path);
    auto first = example.states, second = example.states;
    translate(read, 1, first.data(), Example::kCount, Example::kStride, 1);
    translate(example.lens(), 1, second.data(), Example::kCount, Example::kStride);
    EXPECT_EQ(first, second);

    write_safetensors(path, {{"weight", {example.weight.data(), DType::float32, {300, 3, 300}}},
                             {"bias", {example.bias.data(), DType::float32, {3, 300}}}});
    EXPECT_THROW((void)TunedLens::load(path), IoError);
    std::filesystem::remove(path);
}

TEST(TunedLens, RefusesWhatDoesNotFit) {
    const Example example;
    auto states = example.states;
    EXPECT_THROW(translate(example.lens(), 3, states.data(), 1, Example::kStride), InvalidArgument);
    EXPECT_THROW(translate(example.lens(), -1, states.data(), 1, Example::kStride), InvalidArgument);
    TunedLens wrong = example.lens();
    wrong.width = 299;
    EXPECT_THROW(wrong.validate(), InvalidArgument);
    wrong = example.lens();
    wrong.bias.size = 5;
    EXPECT_THROW(wrong.validate(), InvalidArgument);
    EXPECT_THROW(TunedLens{}.validate(), InvalidArgument);
}

}  // namespace
}  // namespace modalconflict
