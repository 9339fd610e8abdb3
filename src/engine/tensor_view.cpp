#include <modalconflict/engine/tensor_view.hpp>

#include <modalconflict/error.hpp>

#include <algorithm>
#include <array>

namespace modalconflict {
namespace {

struct DTypeRow {
    std::string_view name;
    std::size_t size;
};

constexpr std::array<DTypeRow, 10> kDTypes{{{"float32", 4}, {"float16", 2}, {"bfloat16", 2}, {"float64", 8},
    {"int64", 8}, {"int32", 4}, {"int16", 2}, {"int8", 1}, {"uint8", 1}, {"boolean", 1}}};

template <typename T>
std::span<const T> elements(const TensorView& view, DType wanted) {
    if (view.dtype != wanted) {
        throw InvalidArgument("tensor holds " + std::string(name(view.dtype)) + ", not " + std::string(name(wanted)) +
                              "; read it as its own element type");
    }
    return {static_cast<const T*>(view.data), static_cast<std::size_t>(view.numel())};
}

}  // namespace

std::size_t item_size(DType dtype) { return kDTypes.at(static_cast<std::size_t>(dtype)).size; }

std::string_view name(DType dtype) { return kDTypes.at(static_cast<std::size_t>(dtype)).name; }

DType dtype_from_name(std::string_view wanted) {
    for (std::size_t i = 0; i < kDTypes.size(); ++i) {
        if (kDTypes[i].name == wanted) return static_cast<DType>(i);
    }
    throw InvalidArgument("'" + std::string(wanted) + "' is no element type; use one of float32, float16, bfloat16, "
                          "float64, int64, int32, int16, int8, uint8, boolean");
}

std::int64_t TensorView::numel() const {
    // First, for the other extents of an empty tensor are bounded by no file's size.
    if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
    std::int64_t count = 1;
    for (const auto extent : shape) count *= extent;
    return count;
}

template <>
std::span<const float> TensorView::as<float>() const { return elements<float>(*this, DType::float32); }
template <>
std::span<const double> TensorView::as<double>() const { return elements<double>(*this, DType::float64); }
template <>
std::span<const std::int64_t> TensorView::as<std::int64_t>() const {
    return elements<std::int64_t>(*this, DType::int64);
}

std::string shape_text(std::span<const std::int64_t> shape) {
    std::string text = "[";
    for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
    return text + "]";
}

}  // namespace modalconflict
