#pragma once

#include <modalconflict/error.hpp>

#include <gtest/gtest.h>

#include <string>

/// Runs something that has to throw InvalidArgument and returns its message, for a look at what it names.
template <class Work>
std::string message_of(Work work) {
    try {
        work();
    } catch (const modalconflict::InvalidArgument& error) {
        return error.what();
    }
    ADD_FAILURE() << "no InvalidArgument was thrown";
    return {};
}

#define EXPECT_NAMES(work, part) EXPECT_NE(message_of([&] { (void)(work); }).find(part), std::string::npos) \
    << message_of([&] { (void)(work); })
