#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/typing.h>

#include <string>

namespace modalconflict::bindings {

/// Results by name; Python sees dict[str, Any].
using Named = pybind11::typing::Dict<std::string, pybind11::object>;

void bind_model(pybind11::module_& m);
void bind_lens_kernel(pybind11::module_& m);

}  // namespace modalconflict::bindings
