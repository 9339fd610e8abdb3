#pragma once

#include <gtest/gtest.h>

#include <string>
#include <typeinfo>

namespace modalconflict::testing {

/// The call throws this kind of error, and the message names every one of the given things.
template <typename Error, typename Call>
void expect_error(Call&& call, std::initializer_list<std::string> named) {
    try {
        call();
    } catch (const Error& error) {
        for (const auto& thing : named) EXPECT_NE(std::string(error.what()).find(thing), std::string::npos) << error.what();
        return;
    } catch (const std::exception& error) {
        FAIL() << "another kind of error: " << error.what();
    }
    FAIL() << "no error";
}

}  // namespace modalconflict::testing
