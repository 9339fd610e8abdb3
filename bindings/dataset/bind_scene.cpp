#include "dataset/bind.hpp"

#include <modalconflict/dataset/scene.hpp>

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <cstdio>
#include <memory>

namespace py = pybind11;
using namespace modalconflict::dataset;

namespace {

template <std::size_t N, typename Enum>
std::vector<std::string> names() {
    std::vector<std::string> all;
    for (std::size_t i = 0; i < N; ++i) all.emplace_back(name(static_cast<Enum>(i)));
    return all;
}

std::string color_name(Rgb color) {
    for (std::size_t i = 0; i < kColorCount; ++i) {
        if (rgb(static_cast<Color>(i)) == color) return std::string(name(static_cast<Color>(i)));
    }
    char hex[8];
    std::snprintf(hex, sizeof hex, "#%02x%02x%02x", color.red, color.green, color.blue);
    return hex;
}

}  // namespace

py::array_t<std::uint8_t> modalconflict::bindings::as_array(Image image) {
    auto owner = std::make_unique<Image>(std::move(image));
    const py::ssize_t height = owner->height, width = owner->width;
    auto* data = owner->pixels.data();
    py::capsule base(owner.release(), [](void* pointer) { delete static_cast<Image*>(pointer); });
    return py::array_t<std::uint8_t>({height, width, py::ssize_t{3}}, data, base);
}

void modalconflict::bindings::bind_scene(py::module_& m) {
    m.attr_with_type_hint<std::vector<std::string>>("COLORS") = names<kColorCount, Color>();
    m.attr_with_type_hint<std::vector<std::string>>("SHAPES") = names<kShapeCount, Shape>();
    m.attr("SUBPIXELS") = kSubpixels;

    py::class_<SceneObject>(m, "SceneObject", "One flat figure; coordinates and side in 1/16 pixel.")
        .def(py::init([](const std::string& shape, const std::string& color, int x16, int y16, int side_x16) {
                 return SceneObject{shape_from_name(shape), rgb(color_from_name(color)), x16, y16, side_x16};
             }),
             py::arg("shape"), py::arg("color"), py::arg("center_x16"), py::arg("center_y16"), py::arg("side_x16"))
        .def_property_readonly("shape", [](const SceneObject& o) { return std::string(name(o.shape)); })
        .def_property_readonly("color", [](const SceneObject& o) { return color_name(o.color); },
                               "Name of one of the six colours, or its hexadecimal value.")
        .def_property_readonly("rgb", [](const SceneObject& o) { return py::make_tuple(o.color.red, o.color.green, o.color.blue); })
        .def_readonly("center_x16", &SceneObject::center_x16)
        .def_readonly("center_y16", &SceneObject::center_y16)
        .def_readonly("side_x16", &SceneObject::side_x16);

    py::class_<Scene>(m, "Scene", "Figures on a white canvas, drawn back to front.")
        .def(py::init([](int width, int height, std::vector<SceneObject> objects, std::size_t target) {
                 return Scene{width, height, std::move(objects), target};
             }),
             py::arg("width"), py::arg("height"), py::arg("objects"), py::arg("target") = 0)
        .def_readonly("width", &Scene::width)
        .def_readonly("height", &Scene::height)
        .def_readonly("objects", &Scene::objects)
        .def_readonly("target", &Scene::target);

    m.def("render", [](const Scene& scene) {
        Image image;
        {
            py::gil_scoped_release release;
            image = render(scene);
        }
        return modalconflict::bindings::as_array(std::move(image));
    }, py::arg("scene"), "Draw a scene: uint8 array of shape (height, width, 3), RGB.");
    m.def("measure", [](const Scene& scene) {
        const SceneMeasure found = [&] { py::gil_scoped_release release; return measure(scene); }();
        return py::make_tuple(found.overlapping, found.visible_fraction);
    }, py::arg("scene"), "(distractors that overlap the target, visible share of the target's pixels).");
    m.def("write_scene", [](const Scene& scene, const std::string& path) {
        const Image image = render(scene);
        write_png(image, path);
        return pixel_sha256(image);
    }, py::arg("scene"), py::arg("path"), py::call_guard<py::gil_scoped_release>(),
       "Draw a scene into a PNG file; returns the pixels' SHA-256.");
}
