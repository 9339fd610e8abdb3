#include "module.hpp"

#include "errors.hpp"

PYBIND11_MODULE(_core, m) {
    using namespace modalconflict::bindings;
    m.doc() = "Statistics in C++: the functions behind modalconflict's Python API. Arrays in, arrays or plain structs out.";
    register_errors();
    bind_uncertainty(m);
    bind_outcome(m);
    bind_oscillation(m);
    bind_monotone_fit(m);
    bind_logistic_fit(m);
    bind_balance_point(m);
    bind_calibration(m);
    bind_monotonicity(m);
    bind_comparison(m);
}
