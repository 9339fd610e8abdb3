#include "engine/plan.hpp"
#include "engine/tiny_bundle.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace modalconflict {
namespace {

constexpr std::int64_t kImage = 99;

PlanOptions options_for(std::int64_t image = kImage) {
    PlanOptions options;
    options.image_token_id = image;
    options.kv_bytes_per_token = 16;
    return options;
}

CasePack pack_of(const std::vector<std::pair<std::int64_t, std::vector<std::int64_t>>>& runs) {
    CasePack pack;
    pack.offsets = {0};
    for (const auto& [image, ids] : runs) {
        pack.ids.insert(pack.ids.end(), ids.begin(), ids.end());
        for (std::size_t i = 0; i < ids.size(); ++i) pack.positions.push_back(static_cast<std::int64_t>(i));
        pack.offsets.push_back(static_cast<std::int64_t>(pack.ids.size()));
        pack.image_index.push_back(image);
    }
    return pack;
}

std::multiset<std::int64_t> all_runs(const std::vector<PlannedStep>& steps) {
    std::multiset<std::int64_t> runs;
    for (const auto& step : steps) {
        for (const auto& batch : step.batches) {
            for (const auto& row : batch.rows) runs.insert(row.runs.begin(), row.runs.end());
        }
    }
    return runs;
}

TEST(Plan, SharesTheLongestPrefixBehindTheImage) {
    const auto pack = testing::tiny_pack();
    const auto steps = plan_pack(pack, options_for(testing::kTinyImageToken));
    // Image 0: three runs that agree up to token 5 (place 3); image 1: two; both prefixes have 4 tokens.
    ASSERT_EQ(steps.size(), 2U);
    EXPECT_EQ(steps[0].prefix_length, 4);
    EXPECT_EQ(steps[0].prefix_runs, (std::vector<std::int64_t>{0, 3}));
    EXPECT_EQ(steps[1].prefix_length, 0);
    EXPECT_EQ(all_runs(steps), (std::multiset<std::int64_t>{0, 1, 2, 3, 4, 5, 6}));
    for (const auto& batch : steps[0].batches) {
        for (const auto& row : batch.rows) {
            for (const auto run : row.runs) EXPECT_EQ(pack.image_index[static_cast<std::size_t>(run)], row.prefix);
        }
    }
}

TEST(Plan, LeavesEachRunATokenOfItsOwn) {
    const auto steps = plan_pack(pack_of({{0, {1, kImage, 5}}, {0, {1, kImage, 5, 6}}}), options_for());
    ASSERT_EQ(steps.size(), 1U);
    EXPECT_EQ(steps[0].prefix_length, 2);
}

TEST(Plan, SharesNothingBeforeTheImagesEnd) {
    const auto steps = plan_pack(pack_of({{0, {1, 2, kImage, 5}}, {0, {1, 3, kImage, 5}}}), options_for());
    ASSERT_EQ(steps.size(), 1U);
    EXPECT_EQ(steps[0].prefix_length, 0);
}

TEST(Plan, DoesNotShareAcrossImages) {
    const auto steps = plan_pack(pack_of({{0, {1, kImage, 5}}, {1, {1, kImage, 5}}}), options_for());
    ASSERT_EQ(steps.size(), 1U);
    EXPECT_EQ(steps[0].prefix_length, 0);
}

TEST(Plan, DoesNotShareWherePositionsDiffer) {
    auto pack = pack_of({{0, {1, kImage, 5}}, {0, {1, kImage, 6}}});
    pack.positions[1] = 7;
    EXPECT_EQ(plan_pack(pack, options_for())[0].prefix_length, 0);
}

TEST(Plan, SharesALongTextAcrossTheImagesBehindIt) {
    const std::vector<std::int64_t> first{1, 2, 3, 4, 5, 6, 7, 8, 9, kImage, 10}, second{1, 2, 3, 4, 5, 6, 7, 8, 9, kImage, 11};
    const auto steps = plan_pack(pack_of({{0, first}, {1, second}}), options_for());
    ASSERT_EQ(steps.size(), 1U);
    EXPECT_EQ(steps[0].prefix_length, 9);
    EXPECT_EQ(steps[0].prefix_runs.size(), 1U);
}

TEST(Plan, CanBeToldNotToShare) {
    auto options = options_for(testing::kTinyImageToken);
    options.share_prefixes = false;
    const auto steps = plan_pack(testing::tiny_pack(), options);
    ASSERT_EQ(steps.size(), 1U);
    EXPECT_EQ(steps[0].prefix_length, 0);
    EXPECT_EQ(all_runs(steps).size(), 7U);
}

TEST(Plan, KeepsToTheBatchSizeAndTheMemory) {
    std::vector<std::pair<std::int64_t, std::vector<std::int64_t>>> runs(10, {-1, {1, 2, 3, 4}});
    auto options = options_for();
    options.batch_size = 3;
    const auto steps = plan_pack(pack_of(runs), options);
    EXPECT_EQ(steps[0].batches.size(), 4U);
    for (const auto& batch : steps[0].batches) EXPECT_LE(batch.rows.size(), 3U);
    options.batch_size = 100;
    EXPECT_EQ(plan_pack(pack_of(runs), options)[0].batches.size(), 1U);
    // Twelve tokens with the answer, sixteen bytes each: two runs at a time.
    options.kv_memory_bytes = 2 * 12 * 16;
    EXPECT_EQ(plan_pack(pack_of(runs), options).size(), 5U);
    options.kv_memory_bytes = 1;  // less than one run needs: still one at a time
    EXPECT_EQ(plan_pack(pack_of(runs), options).size(), 10U);
    options = options_for();
    options.max_pass_tokens = 8;  // of two runs
    EXPECT_EQ(plan_pack(pack_of(runs), options)[0].batches.size(), 5U);
}

TEST(Plan, PadsLongBatchesByLittle) {
    std::vector<std::pair<std::int64_t, std::vector<std::int64_t>>> runs;
    for (int i = 0; i < 40; ++i) runs.push_back({-1, std::vector<std::int64_t>(i % 2 ? 60 : 20, 1)});
    const auto steps = plan_pack(pack_of(runs), options_for());
    ASSERT_EQ(steps[0].batches.size(), 2U);
    EXPECT_EQ(steps[0].batches[0].rows.size(), 20U);
}

// Two images of `image` tokens, each with `runs` runs of `suffix` tokens.
CasePack images_of(std::size_t image, int runs, std::size_t suffix) {
    std::vector<std::pair<std::int64_t, std::vector<std::int64_t>>> prompts;
    for (int i = 0; i < 2 * runs; ++i) {
        std::vector<std::int64_t> ids(image, kImage);
        for (std::size_t t = 0; t < suffix; ++t) ids.push_back(100 + i);
        prompts.emplace_back(i / runs, ids);
    }
    return pack_of(prompts);
}

TEST(Plan, PutsShortSuffixesSideBySide) {
    const auto steps = plan_pack(images_of(40, 5, 4), options_for());
    ASSERT_EQ(steps.size(), 1U);
    ASSERT_EQ(steps[0].batches.size(), 1U);
    ASSERT_EQ(steps[0].batches[0].rows.size(), 2U);
    EXPECT_EQ(steps[0].batches[0].rows[0].runs, (std::vector<std::int64_t>{0, 1, 2, 3, 4}));
    EXPECT_EQ(steps[0].batches[0].rows[1].runs, (std::vector<std::int64_t>{5, 6, 7, 8, 9}));
    EXPECT_EQ(steps[0].batches[0].rows[1].prefix, 1);
    EXPECT_EQ(steps[0].kv_bytes, 2 * (40 + 5 * (4 + 8)) * 16);
    const auto longer = plan_pack(images_of(40, 5, 25), options_for());
    for (const auto& row : longer[0].batches[0].rows) EXPECT_EQ(row.runs.size(), 1U);
}

TEST(Plan, ComputesAPrefixAgainRatherThanExceedTheMemory) {
    auto options = options_for();
    options.kv_memory_bytes = 3 * (40 + 25 + 8) * 16;  // three of ten rows
    const auto steps = plan_pack(images_of(40, 5, 25), options);
    ASSERT_EQ(steps.size(), 4U);
    std::multiset<std::int64_t> seen;
    for (const auto& step : steps) {
        EXPECT_LE(step.kv_bytes, options.kv_memory_bytes);
        for (const auto& batch : step.batches) {
            for (const auto& row : batch.rows) {
                ASSERT_LT(row.prefix, static_cast<std::int64_t>(step.prefix_runs.size()));
                EXPECT_EQ(step.prefix_runs[static_cast<std::size_t>(row.prefix)] / 5, row.runs.front() / 5);  // of one image
            }
        }
    }
    EXPECT_EQ(all_runs(steps).size(), 10U);
}

TEST(Plan, FindsTheImage) {
    const auto pack = pack_of({{0, {1, kImage, kImage, 5}}, {-1, {1, kImage}}});
    EXPECT_EQ(image_range(pack, 0, kImage).first, 1);
    EXPECT_EQ(image_range(pack, 0, kImage).last, 3);
    EXPECT_EQ(image_range(pack, 1, kImage).last, 0);
}

}  // namespace
}  // namespace modalconflict
