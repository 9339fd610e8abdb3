#include <modalconflict/error.hpp>
#include <modalconflict/lens/lens_kernel.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

namespace modalconflict {
namespace {

/// A small unembedding and rows to read with it.
struct Fixture {
    static constexpr std::int64_t kRows = 5;
    static constexpr std::int64_t kWidth = 24;
    static constexpr std::int64_t kVocabulary = 1500;

    std::vector<float> hidden = normal(kRows * kWidth, 1);
    std::vector<float> weight = normal(kVocabulary * kWidth, 2);
    std::vector<float> gain = normal(kWidth, 3);
    LensRows rows;
    Unembedding unembedding;

    Fixture() {
        rows.hidden = hidden.data();
        rows.rows = kRows;
        rows.columns = kWidth;
        unembedding.weight = {weight.data(), WeightType::float32, kVocabulary, kWidth};
        unembedding.norm = {FinalNorm::Kind::rms, {gain.data(), WeightType::float32, kWidth}, {}, 1e-5, 0.0};
    }

    static std::vector<float> normal(std::int64_t size, unsigned seed) {
        std::mt19937 generator(seed);
        std::normal_distribution<float> distribution;
        std::vector<float> values(static_cast<std::size_t>(size));
        for (float& value : values) value = distribution(generator);
        return values;
    }

    /// W · (h / rms(h) · gain), in float64.
    [[nodiscard]] std::vector<float> logits() const {
        std::vector<float> result;
        for (std::int64_t row = 0; row < kRows; ++row) {
            const float* h = hidden.data() + row * kWidth;
            double square = 0.0;
            for (std::int64_t i = 0; i < kWidth; ++i) square += static_cast<double>(h[i]) * h[i];
            const double rms = std::sqrt(square / static_cast<double>(kWidth) + 1e-5);
            for (std::int64_t token = 0; token < kVocabulary; ++token) {
                double z = 0.0;
                for (std::int64_t i = 0; i < kWidth; ++i) {
                    z += h[i] / rms * gain[static_cast<std::size_t>(i)] *
                         weight[static_cast<std::size_t>(token * kWidth + i)];
                }
                result.push_back(static_cast<float>(z));
            }
        }
        return result;
    }
};

TEST(LensKernel, ReadsWhatItsLogitsHold) {
    Fixture fixture;
    const std::vector<std::int64_t> final_row(Fixture::kRows, Fixture::kRows - 1);
    fixture.rows.final_row = final_row;
    const LensReads reads = read_lens(fixture.rows, fixture.unembedding);
    const auto logits = fixture.logits();
    LensRows given = fixture.rows;
    given.hidden = logits.data();
    given.columns = Fixture::kVocabulary;
    const LensReads expected = reduce_logits(given);
    EXPECT_EQ(reads.top_ids, expected.top_ids);
    for (std::size_t row = 0; row < static_cast<std::size_t>(Fixture::kRows); ++row) {
        EXPECT_NEAR(reads.entropy[row], expected.entropy[row], 1e-5);
        EXPECT_NEAR(reads.log_normalizer[row], expected.log_normalizer[row], 1e-5);
        EXPECT_NEAR(reads.kl_final[row], expected.kl_final[row], 1e-4);
    }
    EXPECT_EQ(reads.kl_final.back(), 0.0);
}

TEST(LensKernel, ThreadsChangeNoBit) {
    Fixture fixture;
    const std::vector<std::int64_t> final_row(Fixture::kRows, 0);
    fixture.rows.final_row = final_row;
    LensOptions options;
    options.tile = 128;
    options.threads = 1;
    const LensReads one = read_lens(fixture.rows, fixture.unembedding, options);
    options.threads = 0;
    const LensReads all = read_lens(fixture.rows, fixture.unembedding, options);
    EXPECT_EQ(one.entropy, all.entropy);
    EXPECT_EQ(one.kl_final, all.kl_final);
    EXPECT_EQ(one.top_logits, all.top_logits);
}

TEST(LensKernel, ANormedRowIsNotNormedAgain) {
    Fixture fixture;
    const LensReads once = read_lens(fixture.rows, fixture.unembedding);
    Fixture raw;
    raw.unembedding.norm.kind = FinalNorm::Kind::none;
    const LensReads never = read_lens(raw.rows, raw.unembedding);
    const std::vector<std::uint8_t> normed{0, 0, 1, 0, 0};
    fixture.rows.normed = normed;
    const LensReads mixed = read_lens(fixture.rows, fixture.unembedding);
    EXPECT_EQ(mixed.entropy[2], never.entropy[2]);
    EXPECT_EQ(mixed.entropy[1], once.entropy[1]);
    EXPECT_NE(once.entropy[2], never.entropy[2]);
}

TEST(LensKernel, SmallBlocksReadTheSameRows) {
    Fixture fixture;
    const std::vector<std::int64_t> final_row{4, 4, -1, 0, 4};
    const std::vector<std::int64_t> tokens{7, 8, 9};
    const std::vector<std::int64_t> offsets{0, 2, 2, 3};
    const std::vector<std::int64_t> row_groups{0, 1, 2, -1, 0, 2, 1, 0, 2, 2};
    fixture.rows.final_row = final_row;
    fixture.rows.tokens = tokens;
    fixture.rows.group_offsets = offsets;
    fixture.rows.row_groups = row_groups;
    fixture.rows.groups_per_row = 2;
    const LensReads whole = read_lens(fixture.rows, fixture.unembedding);
    LensOptions options;
    options.block_rows = 2;
    const LensReads cut = read_lens(fixture.rows, fixture.unembedding, options);
    EXPECT_EQ(cut.top_ids, whole.top_ids);
    for (std::size_t row = 0; row < 5; ++row) {
        EXPECT_NEAR(cut.entropy[row], whole.entropy[row], 1e-5);
        if (final_row[row] >= 0) {
            EXPECT_NEAR(cut.kl_final[row], whole.kl_final[row], 1e-5);
        } else {
            EXPECT_TRUE(std::isnan(cut.kl_final[row]));
        }
        for (std::size_t g = 0; g < 2; ++g) {
            const std::int64_t group = row_groups[2 * row + g];
            if (group < 0 || group == 1) {
                EXPECT_TRUE(std::isnan(cut.chosen[2 * row + g]));
            } else {
                EXPECT_NEAR(cut.chosen[2 * row + g], whole.chosen[2 * row + g], 1e-5);
            }
        }
    }
}

TEST(LensKernel, NoRowsGiveNoReads) {
    Fixture fixture;
    fixture.rows.rows = 0;
    EXPECT_TRUE(read_lens(fixture.rows, fixture.unembedding).entropy.empty());
}

void expect_refusal(const LensRows& rows, const Unembedding& unembedding, const LensOptions& options,
                    const std::string& words) {
    try {
        (void)read_lens(rows, unembedding, options);
        FAIL() << "nothing thrown, expected: " << words;
    } catch (const InvalidArgument& error) {
        EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
    }
}

TEST(LensKernel, RefusalsNameTheArgument) {
    const Fixture fixture;
    const std::vector<std::int64_t> final_row{0, 0, 9, 0, 0};
    LensRows rows = fixture.rows;
    rows.final_row = final_row;
    expect_refusal(rows, fixture.unembedding, {}, "final_row[2] is 9");
    rows = fixture.rows;
    const std::vector<std::int64_t> tokens{3, Fixture::kVocabulary};
    const std::vector<std::int64_t> offsets{0, 2};
    rows.tokens = tokens;
    rows.group_offsets = offsets;
    expect_refusal(rows, fixture.unembedding, {}, "tokens[1] is 1500");
    Unembedding narrow = fixture.unembedding;
    narrow.weight.columns = 23;
    expect_refusal(fixture.rows, narrow, {}, "weight has 23 columns");
    LensOptions options;
    options.top_k = 2000;
    expect_refusal(fixture.rows, fixture.unembedding, options, "top_k is 2000");
    options = {};
    options.renyi_alphas = {2.0, -1.0};
    expect_refusal(fixture.rows, fixture.unembedding, options, "renyi_alphas[1]");
    Unembedding capped = fixture.unembedding;
    capped.softcap = 0.0;
    expect_refusal(fixture.rows, capped, {}, "softcap");
}

}  // namespace
}  // namespace modalconflict
