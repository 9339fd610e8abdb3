// The lens' only translation unit that sees ATen.
#include "lens/tile_gemm.hpp"

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <exception>
#include <latch>
#include <mutex>
#include <thread>
#include <vector>

namespace modalconflict::lens {
namespace {

at::ScalarType scalar_type(WeightType type) {
    switch (type) {
        case WeightType::bfloat16: return at::kBFloat16;
        case WeightType::float16: return at::kHalf;
        case WeightType::float32: break;
    }
    return at::kFloat;
}

at::Tensor view(const void* data, at::IntArrayRef sizes, at::IntArrayRef strides, at::ScalarType type) {
    // from_blob takes a plain pointer; nothing below writes through the ones that came in as const.
    return at::from_blob(const_cast<void*>(data), sizes, strides, at::TensorOptions().dtype(type));
}

// at::set_num_threads writes a number that new threads inherit: nobody of ours looks at it while it is in flux.
std::mutex& thread_setting() {
    static std::mutex mutex;
    return mutex;
}

}  // namespace

std::int64_t widened_rows(const MatrixView& weight) {
    if (weight.type == WeightType::float32) return 0;
    // 2 MB in float32: still in cache when the product reads it, and little beside the weights with many lanes.
    constexpr std::int64_t kElements = 512 * 1024;
    return std::clamp<std::int64_t>(kElements / std::max<std::int64_t>(1, weight.columns) / 64 * 64, 64, 512);
}

void tile_logits(const float* x, std::int64_t rows, const MatrixView& weight, std::int64_t first, std::int64_t count,
                 float* out, std::int64_t stride, float* widened) {
    const std::int64_t width = weight.columns;
    const at::Tensor hidden = view(x, {rows, width}, {width, 1}, at::kFloat);
    const at::ScalarType type = scalar_type(weight.type);
    const bool narrow = weight.type != WeightType::float32;
    const std::int64_t step = narrow ? widened_rows(weight) : count;
    const char* const data = static_cast<const char*>(weight.data);
    for (std::int64_t done = 0; done < count; done += step) {
        const std::int64_t tokens = std::min(step, count - done);
        const auto offset = static_cast<std::size_t>((first + done) * width) * c10::elementSize(type);
        at::Tensor rows_of_weight = view(data + offset, {tokens, width}, {width, 1}, type);
        if (narrow) {
            at::Tensor wide = view(widened, {tokens, width}, {width, 1}, at::kFloat);
            wide.copy_(rows_of_weight);
            rows_of_weight = wide;
        }
        at::Tensor logits = view(out + done, {rows, tokens}, {stride, 1}, at::kFloat);
        at::mm_out(logits, hidden, rows_of_weight.t());
    }
}

int lane_count(int threads) {
    const std::lock_guard lock(thread_setting());
    const int available = at::in_parallel_region() ? 1 : at::get_num_threads();
    return threads > 0 ? std::min(threads, available) : available;
}

void run_lanes(int lanes, const std::function<void(int)>& work) {
    std::unique_lock lock(thread_setting());
    const int setting = at::get_num_threads();
    if (setting == 1 || at::in_parallel_region()) {
        lock.unlock();
        const c10::InferenceMode guard;
        for (int lane = 0; lane < lanes; ++lane) work(lane);
        return;
    }
    std::vector<std::exception_ptr> failures(static_cast<std::size_t>(lanes));
    std::latch ready(lanes);
    std::vector<std::thread> threads;
    for (int lane = 0; lane < lanes; ++lane) {
        threads.emplace_back([&, lane] {
            // The number is each thread's own; only the value that later threads start from is shared.
            at::set_num_threads(1);
            ready.count_down();
            try {
                const c10::InferenceMode guard;
                work(lane);
            } catch (...) {
                failures[static_cast<std::size_t>(lane)] = std::current_exception();
            }
        });
    }
    ready.wait();
    at::set_num_threads(setting);
    lock.unlock();
    for (std::thread& thread : threads) thread.join();
    for (const std::exception_ptr& failure : failures) {
        if (failure) std::rethrow_exception(failure);
    }
}

}  // namespace modalconflict::lens
