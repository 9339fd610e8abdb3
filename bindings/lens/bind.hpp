#pragma once

#include <pybind11/pybind11.h>

namespace modalconflict::bindings {

void bind_model(pybind11::module_& m);
void bind_lens_kernel(pybind11::module_& m);

}  // namespace modalconflict::bindings
