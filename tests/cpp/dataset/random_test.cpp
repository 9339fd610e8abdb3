#include <modalconflict/dataset/random.hpp>
#include <modalconflict/error.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>

using modalconflict::InvalidArgument;
using modalconflict::dataset::Random;

TEST(Random, SameSeedAndStreamGiveTheSameNumbers) {
    Random a(7, {1, 2}), b(7, {1, 2}), other_stream(7, {2, 1}), other_seed(8, {1, 2});
    const auto first = a.next();
    EXPECT_EQ(first, b.next());
    EXPECT_NE(first, other_stream.next());
    EXPECT_NE(first, other_seed.next());
}

TEST(Random, BelowIsUniform) {
    // Chi-square with 6 degrees of freedom: 22.46 is the 99.9 % point (NIST/SEMATECH e-Handbook, table 1.3.6.7.4).
    Random random(1, {});
    std::array<int, 7> counts{};
    constexpr int kDraws = 70000;
    for (int i = 0; i < kDraws; ++i) ++counts[static_cast<std::size_t>(random.below(7))];
    double chi_square = 0;
    for (const int count : counts) chi_square += (count - kDraws / 7.0) * (count - kDraws / 7.0) / (kDraws / 7.0);
    EXPECT_LT(chi_square, 22.46);
}

TEST(Random, BetweenIncludesBothEnds) {
    Random random(2, {});
    std::array<bool, 3> seen{};
    for (int i = 0; i < 200; ++i) {
        const auto value = random.between(-1, 1);
        ASSERT_GE(value, -1);
        ASSERT_LE(value, 1);
        seen[static_cast<std::size_t>(value + 1)] = true;
    }
    EXPECT_TRUE(seen[0] && seen[1] && seen[2]);
    EXPECT_EQ(random.between(5, 5), 5);
    EXPECT_NO_THROW((void)random.between(INT64_MIN, INT64_MAX));
}

TEST(Random, ShuffleKeepsTheElements) {
    Random random(3, {});
    std::vector<int> values(50);
    std::iota(values.begin(), values.end(), 0);
    const auto before = values;
    random.shuffle(values);
    EXPECT_NE(values, before);
    EXPECT_TRUE(std::is_permutation(values.begin(), values.end(), before.begin()));
}

TEST(Random, PickReturnsAnElement) {
    Random random(4, {});
    const std::vector<int> values = {3, 5, 8};
    for (int i = 0; i < 20; ++i) EXPECT_NE(std::find(values.begin(), values.end(), random.pick(values)), values.end());
}

TEST(Random, RefusesEmptyRanges) {
    Random random(5, {});
    EXPECT_THROW((void)random.below(0), InvalidArgument);
    EXPECT_THROW((void)random.between(2, 1), InvalidArgument);
}
