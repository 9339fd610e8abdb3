#pragma once

#include <modalconflict/dataset/scene.hpp>

#include <pybind11/numpy.h>

namespace modalconflict::bindings {

void bind_scene(pybind11::module_& m);
void bind_color_options(pybind11::module_& m);
void bind_color_recognition(pybind11::module_& m);
void bind_attribute_recognition(pybind11::module_& m);

/// A picture's own buffer becomes the array's: no copy.
[[nodiscard]] pybind11::array_t<std::uint8_t> as_array(dataset::Image image);

}  // namespace modalconflict::bindings
