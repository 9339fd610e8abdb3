#pragma once

#include "arrays.hpp"

#include <pybind11/stl.h>

namespace modalconflict::bindings {

void bind_uncertainty(py::module_& m);
void bind_outcome(py::module_& m);
void bind_oscillation(py::module_& m);
void bind_monotone_fit(py::module_& m);
void bind_logistic_fit(py::module_& m);
void bind_balance_point(py::module_& m);
void bind_calibration(py::module_& m);
void bind_monotonicity(py::module_& m);
void bind_comparison(py::module_& m);

}  // namespace modalconflict::bindings
