#pragma once

#include <modalconflict/dataset/scene.hpp>

#include <pybind11/numpy.h>

#include <cstdint>
#include <functional>
#include <optional>

namespace modalconflict::bindings {

void bind_scene(pybind11::module_& m);
void bind_color_options(pybind11::module_& m);
void bind_color_recognition(pybind11::module_& m);
void bind_attribute_recognition(pybind11::module_& m);

/// Called with the number of groups done; false stops. Optional, so that the signature names None as well.
using Progress = std::optional<std::function<bool(std::int64_t)>>;

/// A picture's own buffer becomes the array's: no copy.
[[nodiscard]] pybind11::array_t<std::uint8_t> as_array(dataset::Image image);

}  // namespace modalconflict::bindings
