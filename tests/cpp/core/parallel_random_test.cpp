#include <modalconflict/core/parallel.hpp>
#include <modalconflict/core/random.hpp>

#include "expect_error.hpp"

#include <array>
#include <atomic>
#include <cmath>
#include <string>
#include <vector>

namespace mc = modalconflict;

TEST(ParallelFor, CoversEveryElementOnce) {
    for (const unsigned threads : {1U, 2U, 7U, 100U}) {
        std::vector<std::atomic<int>> visits(53);
        mc::parallel_for(visits.size(), threads, [&](std::size_t begin, std::size_t end) {
            for (std::size_t i = begin; i < end; ++i) ++visits[i];
        });
        for (const auto& count : visits) EXPECT_EQ(count.load(), 1);
    }
}

TEST(ParallelFor, NothingToDoCallsNothing) {
    mc::parallel_for(0, 4, [](std::size_t, std::size_t) { ADD_FAILURE(); });
}

TEST(ParallelFor, TheLowestRangesErrorIsTheOneThrown) {
    for (int trial = 0; trial < 20; ++trial) {
        EXPECT_NAMES(mc::parallel_for(8, 4, [](std::size_t begin, std::size_t) {
            throw mc::InvalidArgument("range at " + std::to_string(begin));
        }), "range at 0");
    }
}

TEST(WorkerCount, ZeroMeansTheMachines) {
    EXPECT_GE(mc::worker_count(0), 1U);
    EXPECT_EQ(mc::worker_count(3), 3U);
}

// Known answers published with Random123 (Salmon et al. 2011).
TEST(Philox, GivesThePublishedAnswers) {
    using Block = std::array<std::uint32_t, 4>;
    EXPECT_EQ(mc::philox4x32({0, 0, 0, 0}, {0, 0}), (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
    constexpr std::uint32_t all = 0xffffffff;
    EXPECT_EQ(mc::philox4x32({all, all, all, all}, {all, all}), (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
    EXPECT_EQ(mc::philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
              (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(CounterRng, StreamsRepeatAndDiffer) {
    mc::CounterRng first(7, 3), again(7, 3), other(7, 4);
    bool differs = false;
    for (int i = 0; i < 100; ++i) {
        const auto value = first();
        EXPECT_EQ(value, again());
        differs = differs || value != other();
    }
    EXPECT_TRUE(differs);
    EXPECT_EQ(mc::CounterRng::min(), 0U);
    EXPECT_EQ(mc::CounterRng::max(), 0xffffffffU);
}

TEST(CounterRng, DrawsBelowABoundAreUniform) {
    mc::CounterRng rng(1, 0);
    std::array<double, 7> counts{};
    constexpr int draws = 70000;
    for (int i = 0; i < draws; ++i) ++counts[rng.below(7)];
    double chi_square = 0.0;
    for (const double count : counts) chi_square += (count - 10000.0) * (count - 10000.0) / 10000.0;
    EXPECT_LT(chi_square, 22.46);  // 99.9 % point of chi-square with 6 degrees of freedom
    EXPECT_EQ(rng.below(1), 0U);
}

TEST(CounterRng, UniformAndNormalHaveTheirMoments) {
    mc::CounterRng rng(2, 0);
    constexpr int draws = 100000;
    double sum = 0, normal_sum = 0, normal_square = 0;
    for (int i = 0; i < draws; ++i) {
        const double u = rng.uniform();
        ASSERT_TRUE(u > 0.0 && u < 1.0);
        sum += u;
        const double z = rng.normal();
        normal_sum += z;
        normal_square += z * z;
    }
    EXPECT_NEAR(sum / draws, 0.5, 4.0 * std::sqrt(1.0 / 12.0 / draws));
    EXPECT_NEAR(normal_sum / draws, 0.0, 4.0 / std::sqrt(draws));
    EXPECT_NEAR(normal_square / draws, 1.0, 4.0 * std::sqrt(2.0 / draws));
}
