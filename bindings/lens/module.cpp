#include "errors.hpp"
#include "lens/bind.hpp"

PYBIND11_MODULE(_lens, m) {
    m.doc() = "Bundles run in C++, and the logit lens over their hidden states.";
    modalconflict::bindings::register_errors();
    modalconflict::bindings::bind_model(m);
    modalconflict::bindings::bind_lens_kernel(m);
}
