#include <modalconflict/core/parallel.hpp>

#include <algorithm>
#include <exception>
#include <thread>
#include <vector>

namespace modalconflict {
namespace {
constexpr std::size_t kMostWorkers = 256;  // a typing error in a number of threads must not ask the system for thousands
}

unsigned worker_count(unsigned requested) {
    return requested != 0 ? requested : std::max(1U, std::thread::hardware_concurrency());
}

void parallel_for(std::size_t count, unsigned threads, const std::function<void(std::size_t, std::size_t)>& work) {
    if (count == 0) return;
    const std::size_t workers = std::min({std::size_t{worker_count(threads)}, count, kMostWorkers});
    if (workers == 1) {
        work(0, count);
        return;
    }
    std::vector<std::exception_ptr> errors(workers);
    const auto guarded = [&](std::size_t worker) {
        try {
            work(count * worker / workers, count * (worker + 1) / workers);
        } catch (...) {
            errors[worker] = std::current_exception();
        }
    };
    {
        std::vector<std::jthread> pool;
        pool.reserve(workers - 1);
        for (std::size_t worker = 1; worker < workers; ++worker) pool.emplace_back(guarded, worker);
        guarded(0);
    }
    for (const auto& error : errors) {
        if (error) std::rethrow_exception(error);
    }
}

}  // namespace modalconflict
