#include "engine/attention_mask.hpp"

#include <gtest/gtest.h>

namespace modalconflict {
namespace {

constexpr float kHidden = -9.0F;

// 1 where the query sees the key.
std::vector<int> seen(const AttentionLayout& layout, MaskKind kind, std::int64_t window = 0) {
    std::vector<int> out;
    for (const float value : attention_mask(layout, kind, window, kHidden)) {
        EXPECT_TRUE(value == 0.0F || value == kHidden);
        out.push_back(value == 0.0F);
    }
    return out;
}

TEST(AttentionMask, CausalSeesThePastAndItself) {
    EXPECT_EQ(seen(AttentionLayout::contiguous(1, 3), MaskKind::causal), (std::vector<int>{1, 1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 1}));
}

TEST(AttentionMask, SlidingSeesAsManyTokensAsItsWindow) {
    EXPECT_EQ(seen(AttentionLayout::contiguous(0, 4), MaskKind::sliding, 2),
              (std::vector<int>{1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1}));
}

TEST(AttentionMask, PaddingIsSeenByNobodyAndPlacesCount) {
    // One generated token at place 2 behind a prompt of two tokens and one of padding.
    const AttentionLayout layout{1, 1, 4, {2}, {0, 1, -1, 2}, {}, {}, {}, {}};
    EXPECT_EQ(seen(layout, MaskKind::causal), (std::vector<int>{1, 1, 0, 1}));
    EXPECT_EQ(seen(layout, MaskKind::sliding, 2), (std::vector<int>{0, 1, 0, 1}));
}

TEST(AttentionMask, ImageTokensOfOneBlockSeeEachOther) {
    auto layout = AttentionLayout::contiguous(0, 5);
    layout.query_block = layout.key_block = image_blocks(std::vector<std::int64_t>{1, 7, 7, 2, 7}, 7);
    EXPECT_EQ(seen(layout, MaskKind::causal_bidirectional_image),
              (std::vector<int>{1, 0, 0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1}));
}

TEST(AttentionMask, AWindowBoundsHowFarBackAnImageSeesNotHowFarAhead) {
    auto layout = AttentionLayout::contiguous(0, 5);
    layout.query_block = layout.key_block = image_blocks(std::vector<std::int64_t>{1, 7, 7, 7, 2}, 7);
    EXPECT_EQ(seen(layout, MaskKind::sliding_bidirectional_image, 2),
              (std::vector<int>{1, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1}));
}

TEST(AttentionMask, RunsOfOneRowSeeTheirPrefixAndThemselves) {
    // A prefix of two tokens, then run 0 with two and run 1 with one, then padding.
    const AttentionLayout layout{1, 4, 6, {2, 3, 2, 0}, {0, 1, 2, 3, 2, -1}, {}, {}, {0, 0, 1, -1}, {-1, -1, 0, 0, 1, -1}};
    EXPECT_EQ(seen(layout, MaskKind::causal),
              (std::vector<int>{1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0}));
    EXPECT_EQ(seen(layout, MaskKind::sliding, 2),
              (std::vector<int>{0, 1, 1, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0}));
}

TEST(AttentionMask, ImageBlocksAreNumbered) {
    EXPECT_EQ(image_blocks(std::vector<std::int64_t>{7, 7, 1, 7}, 7), (std::vector<std::int64_t>{0, 0, -1, 1}));
}

}  // namespace
}  // namespace modalconflict
