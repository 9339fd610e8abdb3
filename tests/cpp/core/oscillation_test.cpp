#include <modalconflict/core/oscillation.hpp>

#include "expect_error.hpp"

#include <vector>

namespace mc = modalconflict;
using Labels = std::vector<mc::LayerLabel>;
constexpr auto V = mc::LayerLabel::vision;
constexpr auto T = mc::LayerLabel::text;
constexpr auto I = mc::LayerLabel::irrelevant;

TEST(Oscillations, IrrelevantLayersAreDropped) {
    EXPECT_EQ(mc::count_oscillations(Labels{V, I, T}), 1U);
    EXPECT_EQ(mc::count_oscillations(Labels{V, I, V}), 0U);
    EXPECT_EQ(mc::count_oscillations(Labels{I, I, V, T, I, T, V, I}), 2U);
}

TEST(Oscillations, NothingToSwitchGivesZero) {
    EXPECT_EQ(mc::count_oscillations(Labels{}), 0U);
    EXPECT_EQ(mc::count_oscillations(Labels{I, I}), 0U);
    EXPECT_EQ(mc::count_oscillations(Labels{T}), 0U);
}

TEST(Oscillations, ASwitchBelongsToTheThirdThatCompletesIt) {
    using Thirds = std::array<std::size_t, 3>;
    EXPECT_EQ(mc::count_oscillations_by_third(Labels{V, T, V, I, I, T}), (Thirds{1, 1, 1}));
    EXPECT_EQ(mc::count_oscillations_by_third(Labels{V, I, I, I, I, T}), (Thirds{0, 0, 1}));
    EXPECT_EQ(mc::count_oscillations_by_third(Labels{V, T}), (Thirds{0, 1, 0}));  // layer 1 of 2 is in third ⌊3/2⌋
    EXPECT_EQ(mc::count_oscillations_by_third(Labels{}), (Thirds{0, 0, 0}));
}

TEST(LayerLabel, IsReadFromItsWord) {
    EXPECT_EQ(mc::layer_label_from_string("vision"), V);
    EXPECT_EQ(mc::layer_label_from_string("text"), T);
    EXPECT_EQ(mc::layer_label_from_string("irrelevant"), I);
    EXPECT_NAMES(mc::layer_label_from_string("image"), "'image'");
}
