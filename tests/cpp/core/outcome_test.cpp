#include <modalconflict/core/outcome.hpp>

#include "expect_error.hpp"

#include <cmath>
#include <vector>

namespace mc = modalconflict;
using mc::Outcome;

TEST(Outcome, IsTheUnimodalAnswerThatIsRepeated) {
    EXPECT_EQ(mc::classify_outcome("blue", "blue", "red"), Outcome::text);
    EXPECT_EQ(mc::classify_outcome("red", "blue", "red"), Outcome::vision);
    EXPECT_EQ(mc::classify_outcome("green", "blue", "red"), Outcome::other);
    EXPECT_EQ(mc::classify_outcome("", "blue", "red"), Outcome::other);
}

TEST(Outcome, WithoutConflictThereIsNothingToFollow) {
    EXPECT_EQ(mc::classify_outcome("red", "red", "red"), Outcome::no_conflict);
    EXPECT_EQ(mc::classify_outcome("blue", "red", "red"), Outcome::no_conflict);
}

TEST(Outcome, NamesGoBothWays) {
    for (const Outcome outcome : {Outcome::text, Outcome::vision, Outcome::other, Outcome::no_conflict}) {
        EXPECT_EQ(mc::outcome_from_string(mc::to_string(outcome)), outcome);
    }
    EXPECT_NAMES(mc::outcome_from_string("txt"), "'txt' is not an outcome");
}

TEST(Outcome, EmptyUnimodalAnswersAreRefused) {
    EXPECT_NAMES(mc::classify_outcome("a", "", "b"), "y_text is empty");
    EXPECT_NAMES(mc::classify_outcome("a", "b", ""), "y_vision is empty");
}

TEST(TextFollowingRate, CountsOnlyTheFollowers) {
    const std::vector<Outcome> outcomes = {Outcome::text, Outcome::vision, Outcome::other, Outcome::vision,
                                           Outcome::vision, Outcome::no_conflict};
    EXPECT_DOUBLE_EQ(mc::text_following_rate(outcomes), 0.25);
    const mc::OutcomeCounts counts = mc::count_outcomes(outcomes);
    EXPECT_EQ(counts.text, 1U);
    EXPECT_EQ(counts.vision, 3U);
    EXPECT_EQ(counts.other, 1U);
    EXPECT_EQ(counts.no_conflict, 1U);
    EXPECT_DOUBLE_EQ(counts.text_following_rate(), 0.25);
}

TEST(TextFollowingRate, IsUndefinedWithoutFollowers) {
    EXPECT_TRUE(std::isnan(mc::text_following_rate(std::vector<Outcome>{Outcome::other})));
    EXPECT_TRUE(std::isnan(mc::text_following_rate(std::vector<Outcome>{})));
}
