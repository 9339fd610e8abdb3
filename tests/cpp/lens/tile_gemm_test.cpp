#include "lens/tile_gemm.hpp"

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace modalconflict::lens {
namespace {

std::vector<float> normal(std::int64_t size, unsigned seed) {
    std::mt19937 generator(seed);
    std::normal_distribution<float> distribution;
    std::vector<float> values(static_cast<std::size_t>(size));
    for (float& value : values) value = distribution(generator);
    return values;
}

struct Shape {
    std::int64_t rows;
    std::int64_t width;
    std::int64_t tokens;
};

/// Largest difference from the products in float64, of all tokens made in tiles of `tile`.
double error(const GemmKernels& kernels, const Shape& shape, WeightType type, std::int64_t tile) {
    const auto [rows, width, tokens] = shape;
    const auto hidden = normal(rows * width, 1);
    auto weight = normal(tokens * width, 2);
    std::vector<std::uint16_t> narrow(weight.size());
    for (std::size_t i = 0; i < weight.size() && type != WeightType::float32; ++i) {
        if (type == WeightType::bfloat16) {
            const c10::BFloat16 value(weight[i]);
            narrow[i] = value.x;
            weight[i] = value;
        } else {
            const c10::Half value(weight[i]);
            narrow[i] = value.x;
            weight[i] = value;
        }
    }
    const void* data = type == WeightType::float32 ? static_cast<const void*>(weight.data()) : narrow.data();
    const MatrixView matrix{data, type, tokens, width};
    const PackedRows packed(hidden.data(), rows, width, type, kernels);
    TileGemm product(packed, matrix, tile);
    const std::int64_t stride = tile + 3;
    std::vector<float> logits(static_cast<std::size_t>(rows * stride));
    double worst = 0.0;
    for (std::int64_t first = 0; first < tokens; first += tile) {
        const std::int64_t count = std::min(tile, tokens - first);
        product.logits(first, count, logits.data(), stride);
        for (std::int64_t row = 0; row < rows; ++row) {
            for (std::int64_t t = 0; t < count; ++t) {
                double expected = 0.0;
                for (std::int64_t k = 0; k < width; ++k) {
                    expected += static_cast<double>(hidden[static_cast<std::size_t>(row * width + k)]) *
                                weight[static_cast<std::size_t>((first + t) * width + k)];
                }
                worst = std::max(worst, std::abs(expected - logits[static_cast<std::size_t>(row * stride + t)]));
            }
        }
    }
    return worst;
}

// Rows: none fills a vector, a vector and some, several panels, a last vector that is filled up. Widths: below a cache
// line, across the blocks of the hidden dimension. Tokens: fewer than are taken at a time, and a remainder.
TEST(TileGemm, GivesTheProductsForEveryShapeTypeAndInstructionSet) {
    for (const GemmKernels* kernels : available_gemm_kernels()) {
        for (const Shape shape : {Shape{1, 5, 3}, {3, 64, 8}, {15, 33, 21}, {17, 600, 37}, {29, 1100, 40}, {33, 257, 19},
                                  {41, 16, 64}, {80, 530, 11}, {257, 70, 9}}) {
            for (const WeightType type : {WeightType::float32, WeightType::bfloat16, WeightType::float16}) {
                const double bound = 2e-6 * static_cast<double>(shape.width) + 1e-5;
                EXPECT_LT(error(*kernels, shape, type, 16), bound)
                    << kernels->name << ": " << shape.rows << " x " << shape.width << " x " << shape.tokens;
            }
        }
    }
}

// Shapes that the matrix unit takes where there is one: whole groups of tokens with a rest, one and several blocks of rows.
TEST(TileGemm, GivesTheSameProductsByTheMatrixUnit) {
    for (const Shape shape : {Shape{1, 32, 32}, {16, 64, 70}, {33, 1024, 100}, {80, 96, 131}, {300, 640, 64}}) {
        const double bound = 2e-6 * static_cast<double>(shape.width) + 1e-5;
        EXPECT_LT(error(gemm_kernels(), shape, WeightType::bfloat16, 131), bound)
            << shape.rows << " x " << shape.width << " x " << shape.tokens << (amx_available() ? "" : " (there is none)");
    }
}

TEST(TileGemm, SplitsTheHiddenDimensionWhereTheRowsExceedTheCache) {
    // 400 rows leave room for one block of the hidden dimension at a time.
    for (const GemmKernels* kernels : available_gemm_kernels()) {
        EXPECT_LT(error(*kernels, {400, 1300, 24}, WeightType::float32, 24), 2e-3) << kernels->name;
    }
}

TEST(TileGemm, ARowThatIsNotFiniteTouchesNoOther) {
    for (const GemmKernels* kernels : available_gemm_kernels()) {
        constexpr std::int64_t kRows = 20, kWidth = 40, kTokens = 12;
        auto hidden = normal(kRows * kWidth, 3);
        const auto weight = normal(kTokens * kWidth, 4);
        const MatrixView matrix{weight.data(), WeightType::float32, kTokens, kWidth};
        std::vector<float> clean(kRows * kTokens), broken(kRows * kTokens);
        const PackedRows before(hidden.data(), kRows, kWidth, WeightType::float32, *kernels);
        TileGemm(before, matrix, kTokens).logits(0, kTokens, clean.data(), kTokens);
        hidden[7 * kWidth + 2] = std::nanf("");
        hidden[19 * kWidth] = std::nanf("");
        const PackedRows after(hidden.data(), kRows, kWidth, WeightType::float32, *kernels);
        TileGemm(after, matrix, kTokens).logits(0, kTokens, broken.data(), kTokens);
        for (std::size_t i = 0; i < clean.size(); ++i) {
            const bool expected = i / kTokens == 7 || i / kTokens == 19;
            EXPECT_EQ(std::isnan(broken[i]), expected) << kernels->name << " " << i;
            if (!expected) {
                EXPECT_EQ(broken[i], clean[i]) << kernels->name << " " << i;
            }
        }
    }
}

TEST(GemmKernels, WidenEveryNarrowNumberExactly) {
    std::vector<std::uint16_t> all(65536 + 3);
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
    for (const GemmKernels* kernels : available_gemm_kernels()) {
        for (const WeightType type : {WeightType::bfloat16, WeightType::float16}) {
            std::vector<float> wide(all.size(), -1.0F);
            kernels->widen(all.data(), type, static_cast<std::int64_t>(all.size()), wide.data());
            for (std::size_t i = 0; i < all.size(); ++i) {
                const float expected = type == WeightType::bfloat16
                    ? static_cast<float>(c10::BFloat16(all[i], c10::BFloat16::from_bits()))
                    : static_cast<float>(c10::Half(all[i], c10::Half::from_bits()));
                if (std::isnan(expected)) {
                    ASSERT_TRUE(std::isnan(wide[i])) << kernels->name << " " << i;
                } else {
                    ASSERT_EQ(std::memcmp(&wide[i], &expected, sizeof expected), 0) << kernels->name << " " << i;
                }
            }
        }
    }
}

}  // namespace
}  // namespace modalconflict::lens
