#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace modalconflict::log {

enum class Level { debug, info, warning, error, off };

/// Messages below the level are dropped. The default is Level::warning.
void set_level(Level level);
[[nodiscard]] Level level();

/// Where messages go instead of standard error; an empty function restores standard error.
/// Called from any thread, never by two at once.
using Sink = std::function<void(Level, std::string_view)>;
void set_sink(Sink sink);

void debug(std::string_view message);
void info(std::string_view message);
void warning(std::string_view message);
void error(std::string_view message);

}  // namespace modalconflict::log
