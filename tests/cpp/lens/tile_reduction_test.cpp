#include "lens/tile_reduction.hpp"

#include "lens/lens_blocks.hpp"

#include <modalconflict/error.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace modalconflict::lens {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> normal_logits(std::int64_t rows, std::int64_t vocabulary, float spread) {
    std::mt19937 generator(11);
    std::normal_distribution<float> normal(0.0F, spread);
    std::vector<float> logits(static_cast<std::size_t>(rows * vocabulary));
    for (float& value : logits) value = normal(generator);
    return logits;
}

/// Reads one block, its tiles dealt to `lanes` reducers in turn.
LensReads reduce(const std::vector<float>& logits, std::int64_t rows, const LensOptions& options,
                 const std::vector<std::int64_t>& final_row, int lanes, const RowKernels& kernels = row_kernels()) {
    const std::int64_t vocabulary = static_cast<std::int64_t>(logits.size()) / rows;
    LensRows request;
    request.hidden = logits.data();
    request.rows = rows;
    request.columns = vocabulary;
    request.final_row = final_row;
    const Block block = make_blocks(request, rows).front();
    const ReductionPlan plan = make_plan(block, vocabulary, options);
    BlockPartials partials(plan);
    std::vector<TileReducer> reducers;
    for (int lane = 0; lane < lanes; ++lane) reducers.emplace_back(plan, partials, kernels);
    for (std::size_t t = 0; t < plan.tiles.size(); ++t) {
        const Tile& tile = plan.tiles[t];
        const std::int64_t stride = padded(tile.count);
        // What lies behind a tile's end must not matter.
        std::vector<float> buffer(static_cast<std::size_t>(plan.rows * stride), 1e30F);
        for (std::int64_t row = 0; row < plan.rows; ++row) {
            const auto from = logits.begin() + block.rows[static_cast<std::size_t>(row)] * vocabulary + tile.first;
            std::copy_n(from, tile.count, buffer.begin() + row * stride);
        }
        reducers[t % static_cast<std::size_t>(lanes)].reduce(t, buffer.data(), stride);
    }
    LensReads reads = empty_reads(request, options);
    finish_block(plan, partials, reducers, block.destination, block.slot_groups, options, reads);
    return reads;
}

TEST(TileReduction, DoesNotDependOnTheNumberOfLanes) {
    const auto logits = normal_logits(4, 3000, 3.0F);
    LensOptions options;
    options.tile = 100;
    options.renyi_alphas = {0.5, 2.0};
    const std::vector<std::int64_t> final_row(4, 3);
    const LensReads one = reduce(logits, 4, options, final_row, 1);
    const LensReads three = reduce(logits, 4, options, final_row, 3);
    EXPECT_EQ(one.entropy, three.entropy);
    EXPECT_EQ(one.varentropy, three.varentropy);
    EXPECT_EQ(one.kl_final, three.kl_final);
    EXPECT_EQ(one.renyi, three.renyi);
    EXPECT_EQ(one.top_ids, three.top_ids);
}

TEST(TileReduction, DoesNotDependOnTheTilesBeyondRounding) {
    const auto logits = normal_logits(3, 2111, 5.0F);
    const std::vector<std::int64_t> final_row{2, 2, 2};
    LensOptions whole;
    whole.tile = 4096;
    const LensReads expected = reduce(logits, 3, whole, final_row, 1);
    for (const std::int64_t tile : {1, 63, 64, 65, 1000}) {
        LensOptions options;
        options.tile = tile;
        const LensReads reads = reduce(logits, 3, options, final_row, 2);
        EXPECT_EQ(reads.top_ids, expected.top_ids) << "tile " << tile;
        for (std::size_t row = 0; row < 3; ++row) {
            EXPECT_NEAR(reads.entropy[row], expected.entropy[row], 2e-6) << "tile " << tile;
            EXPECT_NEAR(reads.kl_final[row], expected.kl_final[row], 5e-6) << "tile " << tile;
        }
    }
}

TEST(TileReduction, EveryInstructionSetReadsTheSame) {
    const auto logits = normal_logits(2, 5000, 4.0F);
    const LensReads expected = reduce(logits, 2, {}, {1, -1}, 1, *available_row_kernels().front());
    for (const RowKernels* kernels : available_row_kernels()) {
        const LensReads reads = reduce(logits, 2, {}, {1, -1}, 1, *kernels);
        EXPECT_EQ(reads.top_ids, expected.top_ids) << kernels->name;
        EXPECT_NEAR(reads.entropy[0], expected.entropy[0], 2e-6) << kernels->name;
        EXPECT_NEAR(reads.kl_final[0], expected.kl_final[0], 5e-6) << kernels->name;
    }
}

TEST(TileReduction, NearlyCertainRowKeepsItsSmallEntropy) {
    // One token at 0, a thousand at -34.5: p of each is e^-34.5, about 1e-15.
    std::vector<float> logits(1001, -34.5F);
    logits[500] = 0.0F;
    LensOptions options;
    options.tile = 64;
    const LensReads reads = reduce(logits, 1, options, {}, 1);
    const double rest = 1000.0 * std::exp(-34.5);
    const double exact = std::log1p(rest) + rest * 34.5 / (1.0 + rest);
    EXPECT_NEAR(reads.entropy[0] / exact, 1.0, 1e-6);
    EXPECT_NEAR(reads.one_minus_max[0] / rest, 1.0, 1e-6);
}

TEST(TileReduction, TiesGoToTheLowestId) {
    std::vector<float> logits(300, 1.0F);
    logits[250] = 2.0F;
    LensOptions options;
    options.tile = 70;
    options.top_k = 4;
    const LensReads reads = reduce(logits, 1, options, {}, 3);
    EXPECT_EQ(reads.top_ids, (std::vector<std::int64_t>{250, 0, 1, 2}));
}

TEST(TileReduction, MinusInfinityAddsNothing) {
    std::vector<float> logits(200, -kInfinity);
    logits[3] = 1.0F;
    logits[150] = 1.0F;
    LensOptions options;
    options.tile = 64;
    options.top_k = 3;
    options.renyi_alphas = {0.0};
    const LensReads reads = reduce(logits, 1, options, {}, 1);
    EXPECT_NEAR(reads.entropy[0], std::log(2.0), 1e-12);
    EXPECT_NEAR(reads.renyi[0], std::log(2.0), 1e-12);
    EXPECT_NEAR(reads.varentropy[0], 0.0, 1e-12);
    EXPECT_EQ(reads.top_ids, (std::vector<std::int64_t>{3, 150, -1}));
}

TEST(TileReduction, DivergenceIsInfiniteWhereTheRowExcludesWhatTheFinalRowExpects) {
    std::vector<float> logits(256, 0.0F);
    logits[40] = -kInfinity;
    for (const std::int64_t tile : {1, 64, 256}) {
        LensOptions options;
        options.tile = tile;
        const LensReads reads = reduce(logits, 2, options, {1, 0}, 1);
        EXPECT_EQ(reads.kl_final[0], kInfinity) << "tile " << tile;
        EXPECT_NEAR(reads.kl_final[1], std::log(128.0 / 127.0), 1e-6) << "tile " << tile;
    }
}

TEST(TileReduction, ABrokenRowTouchesNoOther) {
    for (const float broken : {std::numeric_limits<float>::quiet_NaN(), kInfinity}) {
        auto logits = normal_logits(3, 500, 2.0F);
        const std::vector<std::int64_t> final_row{2, 2, 2};
        const LensReads expected = reduce(logits, 3, {}, final_row, 1);
        logits[500 + 123] = broken;
        const LensReads reads = reduce(logits, 3, {}, final_row, 1);
        EXPECT_EQ(reads.finite, (std::vector<std::uint8_t>{1, 0, 1}));
        EXPECT_TRUE(std::isnan(reads.entropy[1]));
        EXPECT_TRUE(std::isnan(reads.kl_final[1]));
        EXPECT_EQ(reads.top_ids[5], -1);
        EXPECT_EQ(reads.entropy[0], expected.entropy[0]);
        EXPECT_EQ(reads.kl_final[0], expected.kl_final[0]);
    }
}

TEST(TileReduction, DroppedPaddingLeavesOnlyItsMass) {
    std::vector<float> logits(100, 0.0F);
    LensOptions options;
    options.vocabulary = 80;
    options.tile = 64;
    EXPECT_NEAR(reduce(logits, 1, options, {}, 1).padding_mass[0], 0.2, 1e-9);
    EXPECT_NEAR(reduce(logits, 1, options, {}, 1).entropy[0], std::log(100.0), 1e-9);
    options.drop_padding = true;
    logits[90] = 0.5F;
    const LensReads dropped = reduce(logits, 1, options, {}, 2);
    EXPECT_NEAR(dropped.entropy[0], std::log(80.0), 1e-9);
    EXPECT_NEAR(dropped.padding_mass[0], (19 + std::exp(0.5)) / (99 + std::exp(0.5)), 1e-7);
    EXPECT_EQ(dropped.top_ids[0], 0);
}

}  // namespace
}  // namespace modalconflict::lens
