#include "module.hpp"

#include <modalconflict/core/balance_point.hpp>


#include <string>

namespace modalconflict::bindings {

void bind_balance_point(py::module_& m) {
    py::enum_<IntervalKind>(m, "IntervalKind")
        .value("percentile", IntervalKind::percentile)
        .value("bca", IntervalKind::bca)
        .value("fieller", IntervalKind::fieller);
    py::class_<BalanceOptions>(m, "BalanceOptions")
        .def(py::init<>())
        .def_property(
            "method", [](const BalanceOptions& options) { return std::string(to_string(options.method)); },
            [](BalanceOptions& options, const std::string& name) { options.method = balance_method_from_string(name); })
        .def_readwrite("level", &BalanceOptions::level)
        .def_readwrite("interval", &BalanceOptions::interval)
        .def_readwrite("replicates", &BalanceOptions::replicates)
        .def_readwrite("seed", &BalanceOptions::seed)
        .def_readwrite("cluster_correction", &BalanceOptions::cluster_correction)
        .def_readwrite("threads", &BalanceOptions::threads)
        .def_readwrite("logistic", &BalanceOptions::logistic);
    py::class_<BalancePoint>(m, "BalancePoint")
        .def_property_readonly("status", [](const BalancePoint& point) { return std::string(to_string(point.status)); })
        .def_readonly("estimate", &BalancePoint::estimate)
        .def_readonly("low", &BalancePoint::low)
        .def_readonly("high", &BalancePoint::high)
        .def_readonly("level", &BalancePoint::level)
        .def_property_readonly("method", [](const BalancePoint& point) { return std::string(to_string(point.method)); })
        .def_readonly("observations", &BalancePoint::observations)
        .def_readonly("groups", &BalancePoint::groups)
        .def_readonly("flags", &BalancePoint::flags)
        .def_readonly("dispersion", &BalancePoint::dispersion)
        .def_readonly("replicates", &BalancePoint::replicates)
        .def_readonly("replicates_without_crossing", &BalancePoint::replicates_without_crossing)
        .def_property_readonly("replicate_estimates",
                               [](const BalancePoint& point) { return to_array(point.replicate_estimates); });
    m.def(
        "balance_point",
        [](const Array<double>& x, const Array<double>& y, const std::optional<Array<std::size_t>>& groups,
           const BalanceOptions& options) {
            return unlocked([&] {
                return balance_point(view(x), view(y), groups ? view(*groups) : std::span<const std::size_t>{}, options);
            });
        },
        py::arg("delta_u_rel"), py::arg("follow_text"), py::arg("groups"), py::arg("options"));
    m.def(
        "crossing_likelihood_ratio",
        [](const Array<double>& x, const Array<double>& y, double probability) {
            auto profile = unlocked([&] { return crossing_likelihood_ratio(view(x), view(y), probability); });
            return py::make_tuple(to_array(std::move(profile.x)), to_array(std::move(profile.statistic)));
        },
        py::arg("x"), py::arg("y"), py::arg("probability") = 0.5);
    m.def("likelihood_ratio_quantile", &likelihood_ratio_quantile, py::arg("level"));
}

}  // namespace modalconflict::bindings
