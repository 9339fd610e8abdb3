#include "dataset/bind.hpp"
#include "errors.hpp"

PYBIND11_MODULE(_dataset, m) {
    m.doc() = "Controlled conflict datasets: scenes, pictures and texts from a seed.";
    modalconflict::bindings::register_errors();
    modalconflict::bindings::bind_scene(m);
    modalconflict::bindings::bind_color_options(m);
    modalconflict::bindings::bind_color_recognition(m);
    modalconflict::bindings::bind_attribute_recognition(m);
}
