// The lens' only translation unit that sees ATen, for its number of threads.
#include "lens/lanes.hpp"

#include <ATen/Parallel.h>

#include <algorithm>
#include <exception>
#include <thread>
#include <vector>

namespace modalconflict::lens {

int lane_count(int threads) {
    const int available = at::in_parallel_region() ? 1 : at::get_num_threads();
    return threads > 0 ? std::min(threads, available) : available;
}

void run_lanes(int lanes, const std::function<void(int)>& work) {
    std::vector<std::exception_ptr> failures(static_cast<std::size_t>(lanes));
    const auto guarded = [&](int lane) {
        try {
            work(lane);
        } catch (...) {
            failures[static_cast<std::size_t>(lane)] = std::current_exception();
        }
    };
    std::vector<std::jthread> threads;
    for (int lane = 1; lane < lanes; ++lane) threads.emplace_back(guarded, lane);
    guarded(0);
    threads.clear();
    for (const std::exception_ptr& failure : failures) {
        if (failure) std::rethrow_exception(failure);
    }
}

}  // namespace modalconflict::lens
