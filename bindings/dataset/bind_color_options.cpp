#include "dataset/bind.hpp"

#include <modalconflict/dataset/color_options.hpp>

#include <pybind11/stl.h>

#include <array>

namespace py = pybind11;
using namespace modalconflict::dataset;

namespace {

std::vector<std::string> shape_names(const std::vector<Shape>& shapes) {
    std::vector<std::string> names;
    for (const Shape shape : shapes) names.emplace_back(name(shape));
    return names;
}

std::vector<std::vector<std::string>> patterns(const std::vector<TextTier>& tiers) {
    std::vector<std::vector<std::string>> all;
    for (const TextTier& tier : tiers) all.push_back(tier.templates);
    return all;
}

}  // namespace

void modalconflict::bindings::bind_color_options(py::module_& m) {
    py::class_<VisionTier>(m, "VisionTier", "How hard the images of one visual tier are; sides in pixels.")
        .def(py::init([](int width, int height, int target_min, int target_max, int other_min, int other_max, int distractors,
                         int occlusion_percent, bool separate) {
                 return VisionTier{width, height, target_min, target_max, other_min, other_max, distractors, occlusion_percent, separate};
             }),
             py::kw_only(), py::arg("width"), py::arg("height"), py::arg("target_side_min"), py::arg("target_side_max"),
             py::arg("distractor_side_min"), py::arg("distractor_side_max"), py::arg("distractors"),
             py::arg("occlusion_percent"), py::arg("separate"))
        .def_readonly("width", &VisionTier::width)
        .def_readonly("height", &VisionTier::height)
        .def_readonly("target_side_min", &VisionTier::target_side_min)
        .def_readonly("target_side_max", &VisionTier::target_side_max)
        .def_readonly("distractor_side_min", &VisionTier::distractor_side_min)
        .def_readonly("distractor_side_max", &VisionTier::distractor_side_max)
        .def_readonly("distractors", &VisionTier::distractors)
        .def_readonly("occlusion_percent", &VisionTier::occlusion_percent)
        .def_readonly("separate", &VisionTier::separate);

    py::class_<NamedColor>(m, "NamedColor", "A colour that may be an answer.")
        .def(py::init([](std::string name, const std::array<std::uint8_t, 3>& rgb, std::vector<std::string> entities) {
                 return NamedColor{std::move(name), Rgb{rgb[0], rgb[1], rgb[2]}, std::move(entities)};
             }),
             py::arg("name"), py::arg("rgb"), py::arg("entities"))
        .def_readonly("name", &NamedColor::name)
        .def_property_readonly("rgb", [](const NamedColor& c) { return py::make_tuple(c.rgb.red, c.rgb.green, c.rgb.blue); })
        .def_readonly("entities", &NamedColor::entities);

    py::class_<ColorRecognitionOptions>(m, "ColorRecognitionOptions", "Settings of the Color Recognition dataset.")
        .def(py::init([](std::int64_t groups, std::uint64_t seed, double min_visible_fraction, std::vector<VisionTier> tiers,
                         std::vector<NamedColor> colors, const std::vector<std::string>& shapes,
                         const std::vector<std::vector<std::string>>& texts, std::string question) {
                 ColorRecognitionOptions options;
                 options.groups = groups;
                 options.seed = seed;
                 options.min_visible_fraction = min_visible_fraction;
                 options.tiers = std::move(tiers);
                 options.colors = std::move(colors);
                 options.shapes.clear();
                 for (const auto& shape : shapes) options.shapes.push_back(shape_from_name(shape));
                 options.texts.clear();
                 for (const auto& templates : texts) options.texts.push_back({templates});
                 options.question = std::move(question);
                 validate(options);
                 return options;
             }),
             py::arg("groups") = 400, py::arg("seed") = 0, py::arg("min_visible_fraction") = 0.6, py::kw_only(),
             py::arg_v("tiers", color_vision_tiers(), "..."), py::arg_v("colors", color_palette(), "..."),
             py::arg_v("shapes", shape_names(all_shapes()), "..."), py::arg_v("texts", patterns(color_text_tiers()), "..."),
             py::arg("question") = ColorRecognitionOptions{}.question)
        .def_readonly("groups", &ColorRecognitionOptions::groups)
        .def_readonly("seed", &ColorRecognitionOptions::seed)
        .def_readonly("min_visible_fraction", &ColorRecognitionOptions::min_visible_fraction)
        .def_readonly("tiers", &ColorRecognitionOptions::tiers)
        .def_readonly("colors", &ColorRecognitionOptions::colors)
        .def_property_readonly("shapes", [](const ColorRecognitionOptions& o) { return shape_names(o.shapes); })
        .def_property_readonly("texts", [](const ColorRecognitionOptions& o) { return patterns(o.texts); })
        .def_readonly("question", &ColorRecognitionOptions::question);

    m.attr_with_type_hint<std::vector<std::string>>("CONTROLS") = std::vector<std::string>{std::string(name(Control::text_irrelevant)),
                                                  std::string(name(Control::image_irrelevant)), std::string(name(Control::blank_image))};
}
