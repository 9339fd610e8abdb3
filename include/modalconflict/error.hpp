#pragma once

#include <stdexcept>
#include <string>

namespace modalconflict {

/// A caller's mistake: an argument outside what the function states. Python sees a ValueError.
/// The message names the argument, the index where there is one, and what to do.
class InvalidArgument : public std::invalid_argument {
public:
    using std::invalid_argument::invalid_argument;
};

/// A file or folder that is missing, unreadable, truncated or altered. Python sees modalconflict.IoError (an OSError).
class IoError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// A model that cannot be run as its bundle says, or that produced NaN. Python sees modalconflict.ModelError.
class ModelError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

}  // namespace modalconflict
