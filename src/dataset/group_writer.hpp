#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace modalconflict::dataset {

/// Which groups one call makes, and how.
struct GroupWork {
    std::string caller;  ///< for messages
    std::int64_t groups = 0;
    std::int64_t first = 0;
    std::int64_t count = -1;  ///< -1: all from first on
    int threads = 0;          ///< 0: one a core
    std::function<bool(std::int64_t)> progress;
};

/// The number of groups that work makes. @throws InvalidArgument naming what is out of range.
[[nodiscard]] std::int64_t checked_count(const GroupWork& work);

/// Calls make(group) for each of them on several threads. The first exception stops the others and is thrown again here.
void for_each_group(const GroupWork& work, const std::function<void(std::int64_t)>& make);

/// "images/00012"; made below folder. @throws IoError naming it.
[[nodiscard]] std::string make_group_folder(const std::string& folder, std::int64_t group);

/// "/v03.png"
[[nodiscard]] std::string tier_file(std::size_t d_v);

}  // namespace modalconflict::dataset
