#include "dataset/bind.hpp"

#include <modalconflict/dataset/color_recognition.hpp>

#include <pybind11/functional.h>
#include <pybind11/stl.h>

namespace py = pybind11;
using namespace modalconflict::dataset;

void modalconflict::bindings::bind_color_recognition(py::module_& m) {
    py::class_<ColorGroup>(m, "ColorGroup", "What a group's images and texts share.")
        .def_readonly("index", &ColorGroup::index)
        .def_property_readonly("target", [](const ColorGroup& g) { return std::string(name(g.target)); })
        .def_property_readonly("helper", [](const ColorGroup& g) { return std::string(name(g.helper)); })
        .def_readonly("answer_vision", &ColorGroup::answer_vision)
        .def_readonly("answer_text", &ColorGroup::answer_text)
        .def_readonly("entity", &ColorGroup::entity);

    m.attr("COLOR_VISION_TIERS") = color_vision_tiers().size();
    m.attr("COLOR_TEXT_TIERS") = kColorTextTiers;
    m.def("entities", [](const std::string& color) {
        const auto all = entities(color_from_name(color));
        return std::vector<std::string>(all.begin(), all.end());
    }, py::arg("color"), "Things of the world known for a colour, with their article.");
    m.def("color_group", &color_group, py::arg("options"), py::arg("index"));
    m.def("color_scene", [](const ColorRecognitionOptions& options, const ColorGroup& group, int d_v) {
        py::gil_scoped_release release;
        return color_scene(options, group, d_v).scene;
    }, py::arg("options"), py::arg("group"), py::arg("d_v"));
    m.def("color_text", [](const ColorRecognitionOptions& options, const ColorGroup& group, int d_t, const std::string& control) {
        const ColorText made = color_text(options, group, d_t, control_from_name(control));
        return py::make_tuple(made.text, made.paraphrase, made.entity);
    }, py::arg("options"), py::arg("group"), py::arg("d_t"), py::arg("control") = "none",
       "(text, paraphrase, entity) of a text tier; entity is empty where the tier names none.");
    m.def("color_question", [](const ColorRecognitionOptions& options, const ColorGroup& group, const std::string& control) {
        return color_question(options, group, control_from_name(control));
    }, py::arg("options"), py::arg("group"), py::arg("control") = "none");
    m.def("color_target", [](const ColorRecognitionOptions& options, const ColorGroup& group, const std::string& control) {
        return color_target(options, group, control_from_name(control));
    }, py::arg("options"), py::arg("group"), py::arg("control") = "none", "The shape that the question names.");

    py::class_<ColorImageRow>(m, "ColorImageRow", "One picture as it stands on disk.")
        .def_readonly("group", &ColorImageRow::group)
        .def_readonly("d_v", &ColorImageRow::d_v)
        .def_readonly("path", &ColorImageRow::path)
        .def_readonly("width", &ColorImageRow::width)
        .def_readonly("height", &ColorImageRow::height)
        .def_readonly("distractors", &ColorImageRow::distractors)
        .def_readonly("occlusion_rate", &ColorImageRow::occlusion_rate)
        .def_readonly("occluded_count", &ColorImageRow::occluded_count)
        .def_readonly("visible_fraction", &ColorImageRow::visible_fraction)
        .def_readonly("pixel_sha256", &ColorImageRow::pixel_sha256);
    m.def("write_color_images", [](const ColorRecognitionOptions& options, const std::string& folder, int threads,
                                   const modalconflict::bindings::Progress& progress, std::int64_t first, std::int64_t count) {
        return write_color_images(options, folder, threads, progress.value_or(nullptr), first, count);
    }, py::arg("options"), py::arg("folder"), py::arg("threads") = 0, py::arg("progress") = py::none(), py::arg("first") = 0,
       py::arg("count") = -1, py::call_guard<py::gil_scoped_release>());
}
