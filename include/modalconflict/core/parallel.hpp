#pragma once

#include <cstddef>
#include <functional>

namespace modalconflict {

/// Number of workers for a request: 0 asks for one a core.
[[nodiscard]] unsigned worker_count(unsigned requested);

/// Calls work(begin, end) on disjoint ranges that cover [0, count), on std::threads of its own.
///
/// Ranges depend on count and threads only, so work that writes to its own elements gives the same result for
/// any number of threads. The error of the lowest range is thrown after all have ended.
void parallel_for(std::size_t count, unsigned threads, const std::function<void(std::size_t, std::size_t)>& work);

}  // namespace modalconflict
