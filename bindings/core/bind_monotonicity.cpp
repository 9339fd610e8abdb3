#include "module.hpp"

#include <modalconflict/core/monotonicity.hpp>

namespace modalconflict::bindings {
namespace {

std::span<const std::size_t> groups_or_none(const std::optional<Array<std::size_t>>& groups) {
    return groups ? view(*groups) : std::span<const std::size_t>{};
}

}  // namespace

void bind_monotonicity(py::module_& m) {
    py::class_<MonotonicityOptions>(m, "MonotonicityOptions")
        .def(py::init<>())
        .def_readwrite("bins", &MonotonicityOptions::bins)
        .def_readwrite("increasing", &MonotonicityOptions::increasing)
        .def_readwrite("replicates", &MonotonicityOptions::replicates)
        .def_readwrite("seed", &MonotonicityOptions::seed)
        .def_readwrite("threads", &MonotonicityOptions::threads);
    m.def(
        "violation_test",
        [](const Array<double>& x, const Array<double>& y, const std::optional<Array<std::size_t>>& groups,
           const MonotonicityOptions& options) {
            auto test = unlocked([&] { return violation_test(view(x), view(y), groups_or_none(groups), options); });
            return py::make_tuple(test.mass, test.p_value, to_array(std::move(test.centre)), to_array(std::move(test.mean)),
                                  to_array(std::move(test.fit)), to_array(std::move(test.count)), test.replicates);
        },
        py::arg("x"), py::arg("y"), py::arg("groups"), py::arg("options"));
    m.def(
        "trend_test",
        [](const Array<double>& x, const Array<double>& y, const std::optional<Array<std::size_t>>& groups,
           const MonotonicityOptions& options) {
            auto test = unlocked([&] { return trend_test(view(x), view(y), groups_or_none(groups), options); });
            return py::make_tuple(test.statistic, test.p_value, test.dispersion,
                                  to_array(std::move(test.level_probabilities)));
        },
        py::arg("x"), py::arg("y"), py::arg("groups"), py::arg("options"));
    m.def(
        "sufficiency_test",
        [](const Array<double>& x, const Array<double>& y, const Array<double>& total,
           const std::optional<Array<std::size_t>>& groups) {
            const SufficiencyTest test =
                unlocked([&] { return sufficiency_test(view(x), view(y), view(total), groups_or_none(groups)); });
            return py::make_tuple(test.coefficient, test.error, test.p_value, test.likelihood_ratio, test.p_independent,
                                  test.clusters);
        },
        py::arg("x"), py::arg("y"), py::arg("total"), py::arg("groups"));
    m.def(
        "spearman", [](const Array<double>& x, const Array<double>& y) { return spearman(view(x), view(y)); },
        py::arg("x"), py::arg("y"));
    m.def("chi_square_survival", &chi_square_survival, py::arg("value"), py::arg("degrees"));
}

}  // namespace modalconflict::bindings
