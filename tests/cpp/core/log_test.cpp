#include <modalconflict/log.hpp>

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace log = modalconflict::log;

namespace {

/// Collects messages and puts level and sink back at the end.
class LogTest : public ::testing::Test {
protected:
    void SetUp() override {
        log::set_sink([this](log::Level level, std::string_view message) { seen_.emplace_back(level, message); });
    }
    void TearDown() override {
        log::set_sink({});
        log::set_level(log::Level::warning);
    }
    std::vector<std::pair<log::Level, std::string>> seen_;
};

}  // namespace

TEST_F(LogTest, DropsMessagesBelowTheLevel) {
    EXPECT_EQ(log::level(), log::Level::warning);
    log::debug("d");
    log::info("i");
    log::warning("w");
    log::error("e");
    const std::vector<std::pair<log::Level, std::string>> expected = {{log::Level::warning, "w"}, {log::Level::error, "e"}};
    EXPECT_EQ(seen_, expected);
}

TEST_F(LogTest, DebugLevelLetsAllThrough) {
    log::set_level(log::Level::debug);
    EXPECT_EQ(log::level(), log::Level::debug);
    log::debug("d");
    log::info("i");
    ASSERT_EQ(seen_.size(), 2U);
    EXPECT_EQ(seen_[0].first, log::Level::debug);
    EXPECT_EQ(seen_[1].first, log::Level::info);
}

TEST_F(LogTest, OffSilencesErrorsToo) {
    log::set_level(log::Level::off);
    EXPECT_EQ(log::level(), log::Level::off);
    log::error("e");
    EXPECT_TRUE(seen_.empty());
}

TEST_F(LogTest, BracesAreText) {
    log::error("file {0}.png has {} holes");
    ASSERT_EQ(seen_.size(), 1U);
    EXPECT_EQ(seen_[0].second, "file {0}.png has {} holes");
}

TEST_F(LogTest, AnEmptySinkGoesBackToStandardError) {
    log::set_sink({});
    testing::internal::CaptureStderr();
    log::error("to standard error");
    EXPECT_NE(testing::internal::GetCapturedStderr().find("to standard error"), std::string::npos);
    EXPECT_TRUE(seen_.empty());
}
