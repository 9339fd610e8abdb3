#include "dataset/templates.hpp"

#include <modalconflict/error.hpp>

#include <gtest/gtest.h>

using namespace modalconflict::dataset;
using modalconflict::InvalidArgument;

TEST(FillTemplate, SetsArticlesAndCapitals) {
    EXPECT_EQ(fill_template("{side} is a {x}, a {y} and a {x}.", {{"side", "to its left"}, {"x", "arrow"}, {"y", "cube"}}),
              "To its left is an arrow, a cube and an arrow.");
    EXPECT_EQ(fill_template("A {x} lies here. {x} it is, via {x}.", {{"x", "object"}}), "An object lies here. Object it is, via object.");
}

TEST(FillTemplate, NamesWhatIsWrong) {
    EXPECT_THROW((void)fill_template("{b}", {{"a", "x"}}), InvalidArgument);
    EXPECT_THROW((void)fill_template("{a", {{"a", "x"}}), InvalidArgument);
    EXPECT_THROW((void)fill_template("a}", {{"a", "x"}}), InvalidArgument);
}

TEST(HasWord, FindsWholeWordsOfAnyCase) {
    EXPECT_TRUE(has_word("a Red, car", "red"));
    EXPECT_TRUE(has_word("red", "red"));
    EXPECT_FALSE(has_word("a hundred redwoods", "red"));
    EXPECT_FALSE(has_word("", "red"));
    EXPECT_FALSE(has_word("red", ""));
}
