#include "module.hpp"

#include <modalconflict/core/relative_uncertainty.hpp>
#include <modalconflict/core/uncertainty.hpp>
#include <modalconflict/error.hpp>

#include <string>
#include <tuple>
#include <vector>

namespace modalconflict::bindings {
namespace {

ZeroPolicy zero_policy(const std::string& name) {
    if (name == "nan") return ZeroPolicy::nan;
    if (name == "zero") return ZeroPolicy::zero;
    if (name == "raise") return ZeroPolicy::raise;
    throw InvalidArgument("zero_policy '" + name + "' is unknown: use nan, zero or raise");
}

template <class T>
py::array_t<double> rows_from_logits(const Array<T>& logits, const std::string& index, const UncertaintyOptions& options,
                                     unsigned threads) {
    if (logits.ndim() != 2) throw InvalidArgument("logits have to be a matrix: one row a distribution");
    const auto columns = static_cast<std::size_t>(logits.shape(1));
    std::vector<double> out(static_cast<std::size_t>(logits.shape(0)));
    unlocked([&] {
        uncertainty_from_logits(view(logits), columns, uncertainty_index_info(index).index, options, out, threads);
    });
    return to_array(std::move(out));
}

py::array_t<double> rows_from_probs(const Array<double>& probs, const std::string& index,
                                    const UncertaintyOptions& options, unsigned threads) {
    if (probs.ndim() != 2) throw InvalidArgument("probs have to be a matrix: one row a distribution");
    const auto columns = static_cast<std::size_t>(probs.shape(1));
    std::vector<double> out(static_cast<std::size_t>(probs.shape(0)));
    unlocked([&] {
        uncertainty_from_probs(view(probs), columns, uncertainty_index_info(index).index, options, out, threads);
    });
    return to_array(std::move(out));
}

}  // namespace

void bind_uncertainty(py::module_& m) {
    py::class_<UncertaintyOptions>(m, "UncertaintyOptions")
        .def(py::init<>())
        .def_readwrite("k", &UncertaintyOptions::k)
        .def_readwrite("alpha", &UncertaintyOptions::alpha)
        .def_readwrite("q", &UncertaintyOptions::q)
        .def_readwrite("temperature", &UncertaintyOptions::temperature)
        .def_readwrite("targets", &UncertaintyOptions::targets)
        .def_readwrite("candidates", &UncertaintyOptions::candidates);
    m.def("uncertainty_indices", [] {
        std::vector<std::tuple<std::string, std::string, double, bool, bool>> all;
        for (const auto& info : uncertainty_indices()) {
            all.emplace_back(info.name, info.range, info.lower_bound, info.shift_invariant, info.relative_applies);
        }
        return all;
    });
    m.def("uncertainty_from_logits_f32", &rows_from_logits<float>, py::arg("logits").noconvert(), py::arg("index"),
          py::arg("options"), py::arg("threads"));
    m.def("uncertainty_from_logits_f64", &rows_from_logits<double>, py::arg("logits"), py::arg("index"),
          py::arg("options"), py::arg("threads"));
    m.def("uncertainty_from_probs", &rows_from_probs, py::arg("probs"), py::arg("index"), py::arg("options"),
          py::arg("threads"));
    const auto pairwise = [&m](const char* name, auto function) {
        m.def(
            name,
            [function](const Array<double>& u_text, const Array<double>& u_vision, const std::string& policy) {
                std::vector<double> out(static_cast<std::size_t>(u_text.size()));
                const ZeroPolicy zero = zero_policy(policy);
                unlocked([&] { function(view(u_text), view(u_vision), zero, out); });
                return to_array(std::move(out));
            },
            py::arg("u_text"), py::arg("u_vision"), py::arg("zero_policy"));
    };
    pairwise("relative_uncertainty", &relative_uncertainty);
    pairwise("log_uncertainty_ratio", &log_uncertainty_ratio);
    m.def(
        "relative_uncertainty_error",
        [](const Array<double>& u_text, const Array<double>& u_vision, const Array<double>& error_text,
           const Array<double>& error_vision) {
            std::vector<double> out(static_cast<std::size_t>(u_text.size()));
            unlocked([&] {
                relative_uncertainty_error(view(u_text), view(u_vision), view(error_text), view(error_vision), out);
            });
            return to_array(std::move(out));
        },
        py::arg("u_text"), py::arg("u_vision"), py::arg("error_text"), py::arg("error_vision"));
}

}  // namespace modalconflict::bindings
