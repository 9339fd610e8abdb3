#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace modalconflict {

/// Element types that a bundle or a case pack may hold.
enum class DType { float32, float16, bfloat16, float64, int64, int32, int16, int8, uint8, boolean };

/// Bytes of one element.
[[nodiscard]] std::size_t item_size(DType dtype);

/// The name used in bundle.json and in messages, such as "float32".
[[nodiscard]] std::string_view name(DType dtype);

/// @throws InvalidArgument  if no element type has this name.
[[nodiscard]] DType dtype_from_name(std::string_view name);

/// A dense row-major tensor that somebody else owns. Public headers speak of tensors in these terms, so that
/// a program that runs a study needs no header of the tensor library behind it.
struct TensorView {
    const void* data = nullptr;
    DType dtype = DType::float32;
    std::vector<std::int64_t> shape;

    [[nodiscard]] std::int64_t numel() const;
    [[nodiscard]] std::size_t bytes() const { return static_cast<std::size_t>(numel()) * item_size(dtype); }

    /// The elements as T.
    /// @throws InvalidArgument  if T is not the element type.
    template <typename T>
    [[nodiscard]] std::span<const T> as() const;
};

/// "[2, 3]", for messages.
[[nodiscard]] std::string shape_text(std::span<const std::int64_t> shape);

template <>
std::span<const float> TensorView::as<float>() const;
template <>
std::span<const double> TensorView::as<double>() const;
template <>
std::span<const std::int64_t> TensorView::as<std::int64_t>() const;

}  // namespace modalconflict
