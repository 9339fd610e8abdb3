#include "module.hpp"

#include <modalconflict/core/calibration.hpp>
#include <modalconflict/core/sequence_uncertainty.hpp>
#include <modalconflict/error.hpp>

namespace modalconflict::bindings {
namespace {

template <class T>
Calibration calibrate(const Array<T>& logits, const Array<std::ptrdiff_t>& targets, std::size_t bins, unsigned threads) {
    if (logits.ndim() != 2) throw InvalidArgument("logits have to be a matrix: one row an answer");
    const auto columns = static_cast<std::size_t>(logits.shape(1));
    return unlocked([&] { return fit_temperature(view(logits), columns, view(targets), bins, threads); });
}

}  // namespace

void bind_calibration(py::module_& m) {
    py::class_<Calibration>(m, "Calibration")
        .def_readonly("temperature", &Calibration::temperature)
        .def_readonly("nll_before", &Calibration::nll_before)
        .def_readonly("nll_after", &Calibration::nll_after)
        .def_readonly("ece_before", &Calibration::ece_before)
        .def_readonly("ece_after", &Calibration::ece_after)
        .def_readonly("rows", &Calibration::rows)
        .def_readonly("at_bound", &Calibration::at_bound);
    m.def("fit_temperature_f32", &calibrate<float>, py::arg("logits").noconvert(), py::arg("targets"), py::arg("bins"),
          py::arg("threads"));
    m.def("fit_temperature_f64", &calibrate<double>, py::arg("logits"), py::arg("targets"), py::arg("bins"),
          py::arg("threads"));
    m.def(
        "expected_calibration_error",
        [](const Array<double>& confidence, const Array<double>& correct, std::size_t bins) {
            return expected_calibration_error(view(confidence), view(correct), bins);
        },
        py::arg("confidence"), py::arg("correct"), py::arg("bins"));
    m.def(
        "sequence_surprisal",
        [](const Array<double>& token_log_probs, bool normalize) {
            return sequence_surprisal(view(token_log_probs), normalize);
        },
        py::arg("token_log_probs"), py::arg("normalize"));
    m.def(
        "semantic_entropy",
        [](const Array<double>& log_probs, const Array<std::size_t>& classes) {
            return semantic_entropy(view(log_probs), view(classes));
        },
        py::arg("log_probs"), py::arg("classes"));
}

}  // namespace modalconflict::bindings
