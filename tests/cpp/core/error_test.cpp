#include <modalconflict/error.hpp>

#include <gtest/gtest.h>

namespace mc = modalconflict;

TEST(Error, InvalidArgumentIsCaughtAsTheStandardOne) {
    try {
        throw mc::InvalidArgument("x is empty: give at least one value");
    } catch (const std::invalid_argument& error) {
        EXPECT_STREQ(error.what(), "x is empty: give at least one value");
    }
}

TEST(Error, FileAndModelErrorsAreNotTheCallersMistake) {
    EXPECT_THROW(throw mc::IoError("a"), std::runtime_error);
    EXPECT_THROW(throw mc::ModelError("a"), std::runtime_error);
    EXPECT_FALSE((std::is_base_of_v<std::logic_error, mc::IoError>));
    EXPECT_FALSE((std::is_base_of_v<std::logic_error, mc::ModelError>));
}
