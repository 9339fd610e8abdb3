#pragma once

#include <functional>

namespace modalconflict::lens {

/// How many lanes a read may use: ATen's number of threads, `threads` at most unless that is 0.
[[nodiscard]] int lane_count(int threads);

/// Runs work(0) … work(lanes − 1), lane 0 on the calling thread and the others on threads of their own, and rethrows the
/// first failure. (at::parallel_for would run serially here: it is an OpenMP loop in a header, and this library is
/// compiled without OpenMP so that torch's runtime stays the only one.)
void run_lanes(int lanes, const std::function<void(int)>& work);

}  // namespace modalconflict::lens
