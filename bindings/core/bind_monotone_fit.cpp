#include "module.hpp"

#include <modalconflict/core/monotone_fit.hpp>

#include <tuple>
#include <vector>

namespace modalconflict::bindings {
namespace {

std::span<const double> weights_or_none(const std::optional<Array<double>>& weights) {
    return weights ? view(*weights) : std::span<const double>{};
}

/// A pickled fit: knots, values, weights, direction.
using State = std::tuple<std::vector<double>, std::vector<double>, std::vector<double>, bool>;

using FitFunction = MonotoneFit (*)(std::span<const double>, std::span<const double>, std::span<const double>, bool);

}  // namespace

void bind_monotone_fit(py::module_& m) {
    py::class_<MonotoneFit>(m, "MonotoneFit")
        .def_property_readonly("x", [](const MonotoneFit& fit) { return to_array(fit.x); })
        .def_property_readonly("y", [](const MonotoneFit& fit) { return to_array(fit.y); })
        .def_property_readonly("weight", [](const MonotoneFit& fit) { return to_array(fit.weight); })
        .def_readonly("increasing", &MonotoneFit::increasing)
        .def("predict",
             [](const MonotoneFit& fit, const Array<double>& queries) {
                 std::vector<double> out;
                 out.reserve(static_cast<std::size_t>(queries.size()));
                 for (const double query : view(queries)) out.push_back(fit.predict(query));
                 return to_array(std::move(out));
             })
        .def("predict_smooth",
             [](const MonotoneFit& fit, const Array<double>& queries) {
                 return to_array(fit.predict_smooth(view(queries)));
             })
        .def("threshold", &MonotoneFit::threshold, py::arg("level") = 0.5)
        .def(py::pickle(
            [](const MonotoneFit& fit) { return State{fit.x, fit.y, fit.weight, fit.increasing}; },
            [](const State& state) {
                const auto& [x, y, weight, increasing] = state;
                return MonotoneFit{x, y, weight, increasing};
            }));
    m.def(
        "isotonic_regression",
        [](const Array<double>& y, const std::optional<Array<double>>& weights, bool increasing) {
            py::array_t<double> out(y.size());
            double* data = out.mutable_data();
            unlocked([&] {
                isotonic_regression(view(y), weights_or_none(weights), increasing,
                                    {data, static_cast<std::size_t>(y.size())});
            });
            return out;
        },
        py::arg("y"), py::arg("weights") = py::none(), py::arg("increasing") = false);
    const auto bind_fit = [&m](const char* name, FitFunction function) {
        m.def(
            name,
            [function](const Array<double>& x, const Array<double>& y, const std::optional<Array<double>>& weights,
                       bool increasing) {
                return unlocked([&] { return function(view(x), view(y), weights_or_none(weights), increasing); });
            },
            py::arg("x"), py::arg("y"), py::arg("weights") = py::none(), py::arg("increasing") = false);
    };
    bind_fit("isotonic_fit", &isotonic_fit);
    bind_fit("centered_isotonic_fit", &centered_isotonic_fit);
}

}  // namespace modalconflict::bindings
