#include "dataset/group_writer.hpp"

#include <modalconflict/error.hpp>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <mutex>
#include <thread>
#include <vector>

namespace modalconflict::dataset {

std::int64_t checked_count(const GroupWork& work) {
    if (work.threads < 0) throw InvalidArgument(work.caller + ": threads is " + std::to_string(work.threads) + "; use 0 for one a core, or more");
    if (work.first < 0 || work.first >= work.groups) {
        throw InvalidArgument(work.caller + ": first is " + std::to_string(work.first) + "; it must lie within 0 and " + std::to_string(work.groups - 1));
    }
    const std::int64_t rest = work.groups - work.first;
    if (work.count < -1 || work.count > rest) {
        throw InvalidArgument(work.caller + ": count is " + std::to_string(work.count) + "; it must lie within 0 and " + std::to_string(rest) + ", or be -1 for all");
    }
    return work.count < 0 ? rest : work.count;
}

void for_each_group(const GroupWork& work, const std::function<void(std::int64_t)>& make) {
    const std::int64_t count = checked_count(work), end = work.first + count;
    std::atomic<std::int64_t> next{work.first};
    std::atomic<bool> stop{false};
    std::int64_t done = 0;
    std::exception_ptr failure;
    std::mutex mutex;
    const auto loop = [&] {
        for (std::int64_t g = next++; g < end && !stop; g = next++) {
            try {
                make(g);
                const std::lock_guard lock(mutex);
                ++done;
                if (work.progress && !work.progress(done)) stop = true;
            } catch (...) {
                const std::lock_guard lock(mutex);
                if (!failure) failure = std::current_exception();
                stop = true;
            }
        }
    };
    const auto wanted = std::min<std::int64_t>(work.threads > 0 ? work.threads : std::max(1U, std::thread::hardware_concurrency()), count);
    std::vector<std::jthread> pool;
    for (std::int64_t i = 1; i < wanted; ++i) pool.emplace_back(loop);
    loop();
    pool.clear();  // joins
    if (failure) std::rethrow_exception(failure);
}

std::string make_group_folder(const std::string& folder, std::int64_t group) {
    char name[40];
    std::snprintf(name, sizeof name, "images/%05lld", static_cast<long long>(group));
    const std::filesystem::path path = std::filesystem::path(folder) / name;
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error) throw IoError("cannot make the folder '" + path.string() + "': " + error.message() + "; choose a folder you can write to");
    return name;
}

std::string tier_file(std::size_t d_v) {
    char name[32];
    std::snprintf(name, sizeof name, "/v%02zu.png", d_v);
    return name;
}

}  // namespace modalconflict::dataset
