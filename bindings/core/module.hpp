#pragma once

#include "arrays.hpp"

namespace modalconflict::bindings {

void bind_uncertainty(py::module_& m);
void bind_outcome(py::module_& m);
void bind_oscillation(py::module_& m);
void bind_monotone_fit(py::module_& m);
void bind_logistic_fit(py::module_& m);
void bind_balance_point(py::module_& m);

}  // namespace modalconflict::bindings
