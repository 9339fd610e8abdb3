#include "dataset/bind.hpp"

#include <modalconflict/dataset/attribute_recognition.hpp>
#include <modalconflict/error.hpp>

#include <pybind11/functional.h>
#include <pybind11/stl.h>
#include <pybind11/typing.h>

#include <tuple>

namespace py = pybind11;
using namespace modalconflict::dataset;

namespace {

template <typename T>
std::string text_of(T value) {
    return std::string(name(value));
}

using Triple = std::tuple<double, double, double>;

Triple triple(const Eigen::Vector3d& v) { return {v.x(), v.y(), v.z()}; }

std::vector<std::vector<std::string>> patterns(const std::vector<TextTier>& tiers) {
    std::vector<std::vector<std::string>> all;
    for (const TextTier& tier : tiers) all.push_back(tier.templates);
    return all;
}

SolidColor solid_color(const std::string& wanted) {
    for (std::size_t i = 0; i < kSolidColorCount; ++i) {
        if (name(static_cast<SolidColor>(i)) == wanted) return static_cast<SolidColor>(i);
    }
    throw modalconflict::InvalidArgument("color '" + wanted + "' is none of CLEVR's; use gray, red, blue, green, brown, purple, cyan or yellow");
}

void bind_options(py::module_& m) {
    py::class_<SolidTier>(m, "SolidTier", "How hard the images of one visual tier are.")
        .def(py::init([](int objects_min, int objects_max, bool large) { return SolidTier{objects_min, objects_max, large}; }),
             py::kw_only(), py::arg("objects_min"), py::arg("objects_max"), py::arg("large"))
        .def_readonly("objects_min", &SolidTier::objects_min)
        .def_readonly("objects_max", &SolidTier::objects_max)
        .def_readonly("large", &SolidTier::large);
    using Options = AttributeRecognitionOptions;
    const Options defaults;
    py::class_<Options>(m, "AttributeRecognitionOptions", "Settings of the Attribute Recognition dataset.")
        .def(py::init([](const std::string& subset, std::int64_t groups, std::uint64_t seed, int width, int height, std::vector<SolidTier> tiers,
                         const std::vector<std::vector<std::string>>& texts, std::string question, double min_visible_fraction,
                         int min_visible_pixels, double min_distance, double margin, double camera_jitter, double lamp_jitter, double lamp_radius) {
                 Options o{subset_from_name(subset), groups, seed, width, height, std::move(tiers), {}, std::move(question), min_visible_fraction,
                           min_visible_pixels, min_distance, margin, camera_jitter, lamp_jitter, lamp_radius};
                 for (const auto& templates : texts) o.texts.push_back({templates});
                 validate(o);
                 return o;
             }),
             py::arg("subset") = "shape", py::arg("groups") = defaults.groups, py::arg("seed") = 0, py::kw_only(),
             py::arg("width") = defaults.width, py::arg("height") = defaults.height, py::arg_v("tiers", defaults.tiers, "..."),
             py::arg_v("texts", patterns(defaults.texts), "..."), py::arg("question") = defaults.question,
             py::arg("min_visible_fraction") = defaults.min_visible_fraction, py::arg("min_visible_pixels") = defaults.min_visible_pixels,
             py::arg("min_distance") = defaults.min_distance, py::arg("margin") = defaults.margin,
             py::arg("camera_jitter") = defaults.camera_jitter, py::arg("lamp_jitter") = defaults.lamp_jitter,
             py::arg("lamp_radius") = defaults.lamp_radius)
        .def_property_readonly("subset", [](const Options& o) { return text_of(o.subset); })
        .def_readonly("groups", &Options::groups)
        .def_readonly("seed", &Options::seed)
        .def_readonly("width", &Options::width)
        .def_readonly("height", &Options::height)
        .def_readonly("tiers", &Options::tiers)
        .def_property_readonly("texts", [](const Options& o) { return patterns(o.texts); });
}

void bind_scenes(py::module_& m) {
    py::class_<SolidObject>(m, "SolidObject", "One solid on the ground; lengths in CLEVR's units.")
        .def_property_readonly("shape", [](const SolidObject& o) { return text_of(o.solid); })
        .def_property_readonly("material", [](const SolidObject& o) { return text_of(o.material); })
        .def_property_readonly("color", [](const SolidObject& o) { return text_of(o.color); })
        .def_property_readonly("size", [](const SolidObject& o) { return o.large ? "large" : "small"; })
        .def_property_readonly("coords", [](const SolidObject& o) { return triple(o.center()); })
        .def_property_readonly("footprint", &SolidObject::footprint)
        .def_readonly("rotation", &SolidObject::rotation_degrees);
    py::class_<AttributeScene>(m, "AttributeScene", "A placed scene and what its picture holds of each object.")
        .def_property_readonly("width", [](const AttributeScene& s) { return s.scene.width; })
        .def_property_readonly("height", [](const AttributeScene& s) { return s.scene.height; })
        .def_property_readonly("objects", [](const AttributeScene& s) { return s.scene.objects; })
        .def_property_readonly("target", [](const AttributeScene& s) { return s.scene.target; })
        .def_property_readonly("visible_fraction", &AttributeScene::visible_fraction)
        .def_property_readonly("overlapping", &AttributeScene::overlapping)
        .def_property_readonly("visible_pixels", [](const AttributeScene& s) {
            std::vector<int> all;
            for (const SolidMeasure& one : s.measures) all.push_back(one.visible_pixels);
            return all;
        }, "Of each object.")
        .def_property_readonly("pixel_coords", [](const AttributeScene& s) {
            std::vector<Triple> all;
            for (const SolidObject& object : s.scene.objects) all.push_back(triple(project(s.scene, object.center())));
            return all;
        }, "Column, row and depth of each object's centre.")
        .def_property_readonly("directions", [](const AttributeScene& s) {
            const Directions d = directions(s.scene.camera);
            py::typing::Dict<std::string, Triple> all;
            all["right"] = triple(d.right);
            all["left"] = triple(d.left);
            all["front"] = triple(d.front);
            all["behind"] = triple(d.behind);
            return all;
        })
        .def_property_readonly("relationships", [](const AttributeScene& s) {
            const auto found = relationships(s.scene);
            py::typing::Dict<std::string, std::vector<std::vector<int>>> all;
            all["right"] = found[0];
            all["left"] = found[1];
            all["front"] = found[2];
            all["behind"] = found[3];
            return all;
        });
}

}  // namespace

void modalconflict::bindings::bind_attribute_recognition(py::module_& m) {
    bind_options(m);
    bind_scenes(m);
    py::class_<AttributeGroup>(m, "AttributeGroup", "What a group's images and texts share.")
        // a group of pictures that were drawn elsewhere
        .def(py::init([](std::int64_t index, const std::string& color, const std::string& helper, const std::string& second,
                         std::string answer_vision, std::string answer_text, std::string entity) {
                 return AttributeGroup{index, solid_color(color), solid_color(helper), solid_color(second),
                                       std::move(answer_vision), std::move(answer_text), std::move(entity)};
             }),
             py::kw_only(), py::arg("index"), py::arg("color"), py::arg("helper"), py::arg("second"), py::arg("answer_vision"),
             py::arg("answer_text"), py::arg("entity"))
        .def_readonly("index", &AttributeGroup::index)
        .def_property_readonly("color", [](const AttributeGroup& g) { return text_of(g.color); })
        .def_property_readonly("helper", [](const AttributeGroup& g) { return text_of(g.helper); })
        .def_property_readonly("second", [](const AttributeGroup& g) { return text_of(g.second); })
        .def_readonly("answer_vision", &AttributeGroup::answer_vision)
        .def_readonly("answer_text", &AttributeGroup::answer_text)
        .def_readonly("entity", &AttributeGroup::entity);
    py::class_<AttributeImageRow>(m, "AttributeImageRow", "One picture as it stands on disk, with its scene.")
        .def_readonly("group", &AttributeImageRow::group)
        .def_readonly("d_v", &AttributeImageRow::d_v)
        .def_readonly("path", &AttributeImageRow::path)
        .def_readonly("scene", &AttributeImageRow::made)
        .def_readonly("pixel_sha256", &AttributeImageRow::pixel_sha256);
    m.def("attribute_group", &attribute_group, py::arg("options"), py::arg("index"));
    m.def("attribute_scene", &attribute_scene, py::arg("options"), py::arg("group"), py::arg("d_v"), py::call_guard<py::gil_scoped_release>());
    m.def("render_attribute_scene", [](const AttributeScene& scene) {
        Image image;
        {
            py::gil_scoped_release release;
            image = render_solids(scene.scene);
        }
        return modalconflict::bindings::as_array(std::move(image));
    }, py::arg("scene"), "Draw a scene: uint8 array of shape (height, width, 3), RGB.");
    m.def("attribute_text", [](const AttributeRecognitionOptions& options, const AttributeGroup& group, int d_t) {
        const AttributeText made = attribute_text(options, group, d_t);
        return py::make_tuple(made.text, made.paraphrase, made.entity);
    }, py::arg("options"), py::arg("group"), py::arg("d_t"), "(text, paraphrase, entity) of a text tier.");
    m.def("attribute_question", &attribute_question, py::arg("options"), py::arg("group"));
    m.def("attribute_target", &attribute_target, py::arg("group"));
    m.def("attribute_entities", [](const std::string& answer) {
        for (std::size_t i = 0; i < kSolidCount; ++i) {
            const auto solid = static_cast<Solid>(i);
            if (name(solid) == answer) return std::vector<std::string>(entities(solid).begin(), entities(solid).end());
        }
        const auto things = entities(answer == "metal" ? Material::metal : Material::rubber);
        return std::vector<std::string>(things.begin(), things.end());
    }, py::arg("answer"), "Things of the world known for a shape or a material, with their article.");
    m.def("write_attribute_images", [](const AttributeRecognitionOptions& options, const std::string& folder, int threads,
                                       const modalconflict::bindings::Progress& progress, std::int64_t first, std::int64_t count) {
        return write_attribute_images(options, folder, threads, progress.value_or(nullptr), first, count);
    }, py::arg("options"), py::arg("folder"), py::arg("threads") = 0, py::arg("progress") = py::none(), py::arg("first") = 0,
       py::arg("count") = -1, py::call_guard<py::gil_scoped_release>());
}
