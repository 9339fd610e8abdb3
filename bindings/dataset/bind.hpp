#pragma once

#include <pybind11/pybind11.h>

namespace modalconflict::bindings {

void bind_scene(pybind11::module_& m);
void bind_color_options(pybind11::module_& m);
void bind_color_recognition(pybind11::module_& m);

}  // namespace modalconflict::bindings
