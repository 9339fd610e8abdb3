// spdlog stays behind this file: its headers bring a fmt that cannot meet the one on torch's include path.
#include <modalconflict/log.hpp>

#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <mutex>
#include <utility>

namespace modalconflict::log {
namespace {

class SinkSwitch final : public spdlog::sinks::base_sink<std::mutex> {
public:
    void set(Sink replacement) {
        const std::lock_guard lock(this->mutex_);
        user_sink_ = std::move(replacement);
    }

private:
    static Level level_of(spdlog::level::level_enum level) {
        switch (level) {
            case spdlog::level::trace:
            case spdlog::level::debug: return Level::debug;
            case spdlog::level::info: return Level::info;
            case spdlog::level::warn: return Level::warning;
            default: return Level::error;
        }
    }
    void sink_it_(const spdlog::details::log_msg& message) override {
        if (user_sink_) {
            user_sink_(level_of(message.level), {message.payload.data(), message.payload.size()});
        } else {
            stderr_.log(message);
        }
    }
    void flush_() override { stderr_.flush(); }

    Sink user_sink_;
    spdlog::sinks::stderr_sink_st stderr_;
};

SinkSwitch& sink_switch() {
    static const auto sink = std::make_shared<SinkSwitch>();
    return *sink;
}

spdlog::logger& logger() {
    static spdlog::logger instance = [] {
        spdlog::logger made("modalconflict", std::shared_ptr<spdlog::sinks::sink>(&sink_switch(), [](auto*) {}));
        made.set_level(spdlog::level::warn);
        return made;
    }();
    return instance;
}

}  // namespace

void set_level(Level level) {
    constexpr spdlog::level::level_enum levels[] = {spdlog::level::debug, spdlog::level::info, spdlog::level::warn,
                                                    spdlog::level::err, spdlog::level::off};
    logger().set_level(levels[static_cast<int>(level)]);
}

Level level() {
    switch (logger().level()) {
        case spdlog::level::trace:
        case spdlog::level::debug: return Level::debug;
        case spdlog::level::info: return Level::info;
        case spdlog::level::warn: return Level::warning;
        case spdlog::level::off: return Level::off;
        default: return Level::error;
    }
}

void set_sink(Sink sink) { sink_switch().set(std::move(sink)); }

// The message is an argument, never the format: braces in a file name are text.
void debug(std::string_view message) { logger().debug("{}", message); }
void info(std::string_view message) { logger().info("{}", message); }
void warning(std::string_view message) { logger().warn("{}", message); }
void error(std::string_view message) { logger().error("{}", message); }

}  // namespace modalconflict::log
