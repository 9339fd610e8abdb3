#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace modalconflict::lens {

/// Floats on a cache line's boundary, not initialised. The matrix product picks its instructions by alignment too:
/// a fixed one keeps results the same from run to run.
class RowBuffer {
public:
    RowBuffer() = default;
    explicit RowBuffer(std::size_t size)
        : data_(static_cast<float*>(::operator new(size * sizeof(float), kAlignment))) {}

    [[nodiscard]] float* data() { return data_.get(); }
    [[nodiscard]] const float* data() const { return data_.get(); }

private:
    static constexpr std::align_val_t kAlignment{64};

    struct Free {
        void operator()(float* data) const { ::operator delete(data, kAlignment); }
    };

    std::unique_ptr<float, Free> data_;
};

}  // namespace modalconflict::lens
