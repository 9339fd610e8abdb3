#include "lens/row_kernels.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace modalconflict::lens {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

class EveryRowKernel : public testing::TestWithParam<const RowKernels*> {};

INSTANTIATE_TEST_SUITE_P(Sets, EveryRowKernel,
                         testing::ValuesIn(available_row_kernels().begin(), available_row_kernels().end()),
                         [](const auto& tested) { return std::string(tested.param->name); });

std::vector<float> normal_row(std::int64_t size, unsigned seed, float spread) {
    std::mt19937 generator(seed);
    std::normal_distribution<float> normal(0.0F, spread);
    std::vector<float> row(static_cast<std::size_t>(size));
    for (float& value : row) value = normal(generator);
    return row;
}

TEST_P(EveryRowKernel, ExponentialIsWithinTwoUnitsInTheLastPlace) {
    // Every 97th float from -0 down to -87.3, in chunks.
    const std::uint32_t last = std::bit_cast<std::uint32_t>(-87.3F);
    std::vector<float> z;
    std::vector<float> kept;
    double worst = 0.0;
    for (std::uint32_t bits = std::bit_cast<std::uint32_t>(-1e-8F); bits < last; bits += 97) {
        z.push_back(std::bit_cast<float>(bits));
        if (z.size() < 4096) continue;
        kept.resize(z.size());
        GetParam()->sums_keeping(z.data(), static_cast<std::int64_t>(z.size()), 0.0F, kept.data());
        for (std::size_t i = 0; i < z.size(); ++i) {
            const double exact = std::exp(static_cast<double>(z[i]));
            const double unit = std::ldexp(1.0, std::ilogb(exact) - 23);
            worst = std::max(worst, std::abs(kept[i] - exact) / unit);
        }
        z.clear();
    }
    EXPECT_LT(worst, 2.0);
    EXPECT_GT(worst, 0.0);  // something was measured
}

TEST_P(EveryRowKernel, ExponentialOfZeroIsOneAndFarBelowIsNothing) {
    std::vector<float> z(kChunk, -kInfinity);
    z[0] = 0.0F;
    z[1] = -87.4F;
    z[2] = -3e38F;
    std::vector<float> kept(z.size());
    const RowSums sums = GetParam()->sums_keeping(z.data(), kChunk, 0.0F, kept.data());
    EXPECT_EQ(kept[0], 1.0F);
    EXPECT_TRUE(std::all_of(kept.begin() + 1, kept.end(), [](float e) { return e == 0.0F; }));
    EXPECT_EQ(sums.e, 1.0);
    EXPECT_EQ(sums.de, 0.0);
    EXPECT_EQ(sums.dde, 0.0);
}

TEST_P(EveryRowKernel, MaximumFindsTheLargestOfEachChunk) {
    const auto z = normal_row(5 * kChunk, 1, 3.0F);
    std::vector<float> chunks(5);
    const float largest = GetParam()->maximum(z.data(), 5 * kChunk, chunks.data());
    EXPECT_EQ(largest, *std::max_element(z.begin(), z.end()));
    for (std::ptrdiff_t c = 0; c < 5; ++c) {
        EXPECT_EQ(chunks[static_cast<std::size_t>(c)],
                  *std::max_element(z.begin() + c * kChunk, z.begin() + (c + 1) * kChunk));
    }
}

TEST_P(EveryRowKernel, MaximumTellsOfANaNWhereverItIs) {
    for (std::size_t place : {std::size_t{0}, std::size_t{63}, std::size_t{64}, std::size_t{127}}) {
        auto z = normal_row(2 * kChunk, 2, 1.0F);
        z[place] = std::numeric_limits<float>::quiet_NaN();
        std::vector<float> chunks(2);
        EXPECT_TRUE(std::isnan(GetParam()->maximum(z.data(), 2 * kChunk, chunks.data()))) << "at " << place;
    }
}

TEST_P(EveryRowKernel, SumsAgreeWithFloat64) {
    const std::int64_t count = 21 * kChunk;
    auto z = normal_row(count, 3, 4.0F);
    const auto other_logits = normal_row(count, 4, 4.0F);
    z[100] = -kInfinity;
    const float reference = *std::max_element(z.begin(), z.end());
    const float other_reference = *std::max_element(other_logits.begin(), other_logits.end());
    std::vector<float> other(z.size());
    GetParam()->sums_keeping(other_logits.data(), count, other_reference, other.data());
    other[100] = 0.0F;  // a weight of nothing beside a logit of minus infinity
    RowSums exact;
    double power = 0.0;
    for (std::size_t i = 0; i < z.size(); ++i) {
        if (std::isinf(z[i])) continue;
        const double d = static_cast<double>(z[i]) - reference;
        exact.e += std::exp(d);
        exact.de += d * std::exp(d);
        exact.dde += d * d * std::exp(d);
        exact.ee += std::exp(2 * d);
        exact.cross += std::exp(static_cast<double>(other_logits[i]) - other_reference) * d;
        power += std::exp(0.3 * d);
    }
    const RowSums sums = GetParam()->sums_comparing(z.data(), count, reference, other.data());
    EXPECT_NEAR(sums.e / exact.e, 1.0, 1e-6);
    EXPECT_NEAR(sums.de / exact.de, 1.0, 1e-6);
    EXPECT_NEAR(sums.dde / exact.dde, 1.0, 1e-6);
    EXPECT_NEAR(sums.ee / exact.ee, 1.0, 1e-6);
    EXPECT_NEAR(sums.cross / exact.cross, 1.0, 1e-6);
    EXPECT_NEAR(GetParam()->power_sum(z.data(), count, reference, 0.3F) / power, 1.0, 1e-6);
}

TEST_P(EveryRowKernel, TransformScalesBiasesAndCaps) {
    auto z = normal_row(2 * kChunk, 5, 40.0F);
    z[7] = kInfinity;
    z[8] = -kInfinity;
    z[9] = 0.0F;
    const auto bias = normal_row(2 * kChunk, 6, 1.0F);
    auto result = z;
    GetParam()->transform(result.data(), bias.data(), 0.5F, 30.0F, 2 * kChunk);
    for (std::size_t i = 0; i < z.size(); ++i) {
        const double exact = 30.0 * std::tanh(0.5 * (static_cast<double>(z[i]) + bias[i]) / 30.0);
        EXPECT_NEAR(result[i], exact, 1e-5) << "at " << i;
    }
    z[10] = std::numeric_limits<float>::quiet_NaN();
    GetParam()->transform(z.data(), nullptr, 1.0F, 30.0F, 2 * kChunk);
    EXPECT_TRUE(std::isnan(z[10]));
}

}  // namespace
}  // namespace modalconflict::lens
