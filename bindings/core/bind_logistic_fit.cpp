#include "module.hpp"

#include <modalconflict/core/logistic_fit.hpp>

#include <array>
#include <tuple>

namespace modalconflict::bindings {
namespace {

/// A pickled fit: its numbers, flags, observations and covariance.
using State = std::tuple<std::tuple<double, double, double, double, double, double, double>,
                         std::tuple<bool, bool, bool, bool>, std::size_t, std::array<double, 16>>;

}  // namespace

void bind_logistic_fit(py::module_& m) {
    py::class_<LogisticOptions>(m, "LogisticOptions")
        .def(py::init<>())
        .def_readwrite("increasing", &LogisticOptions::increasing)
        .def_readwrite("lower_lapse", &LogisticOptions::lower_lapse)
        .def_readwrite("upper_lapse", &LogisticOptions::upper_lapse)
        .def_readwrite("max_lapse", &LogisticOptions::max_lapse)
        .def_readwrite("max_iterations", &LogisticOptions::max_iterations);
    py::class_<LogisticFit>(m, "LogisticFit")
        .def_readonly("location", &LogisticFit::location)
        .def_readonly("width", &LogisticFit::width)
        .def_readonly("lower_lapse", &LogisticFit::lower_lapse)
        .def_readonly("upper_lapse", &LogisticFit::upper_lapse)
        .def_readonly("intercept", &LogisticFit::intercept)
        .def_readonly("slope", &LogisticFit::slope)
        .def_readonly("increasing", &LogisticFit::increasing)
        .def_readonly("log_likelihood", &LogisticFit::log_likelihood)
        .def_readonly("observations", &LogisticFit::observations)
        .def_readonly("converged", &LogisticFit::converged)
        .def_readonly("separated", &LogisticFit::separated)
        .def_readonly("lapse_at_bound", &LogisticFit::lapse_at_bound)
        .def_property_readonly("covariance",
                               [](const LogisticFit& fit) {
                                   return py::array_t<double>({4, 4}, fit.covariance.data());
                               })
        .def("predict",
             [](const LogisticFit& fit, const Array<double>& queries) {
                 std::vector<double> out;
                 out.reserve(static_cast<std::size_t>(queries.size()));
                 for (const double query : view(queries)) out.push_back(fit.predict(query));
                 return to_array(std::move(out));
             })
        .def("threshold", &LogisticFit::threshold, py::arg("level") = 0.5)
        .def(py::pickle(
            [](const LogisticFit& f) {
                return State{{f.location, f.width, f.lower_lapse, f.upper_lapse, f.intercept, f.slope, f.log_likelihood},
                             {f.increasing, f.converged, f.separated, f.lapse_at_bound},
                             f.observations,
                             f.covariance};
            },
            [](const State& state) {
                const auto& [numbers, flags, observations, covariance] = state;
                LogisticFit f;
                std::tie(f.location, f.width, f.lower_lapse, f.upper_lapse, f.intercept, f.slope, f.log_likelihood) = numbers;
                std::tie(f.increasing, f.converged, f.separated, f.lapse_at_bound) = flags;
                f.observations = observations;
                f.covariance = covariance;
                return f;
            }));
    m.def(
        "logistic_fit",
        [](const Array<double>& x, const Array<double>& y, const std::optional<Array<double>>& weights,
           const LogisticOptions& options, const std::optional<Array<std::size_t>>& groups) {
            return unlocked([&] {
                return logistic_fit(view(x), view(y), weights ? view(*weights) : std::span<const double>{}, options,
                                    groups ? view(*groups) : std::span<const std::size_t>{});
            });
        },
        py::arg("x"), py::arg("y"), py::arg("weights"), py::arg("options"), py::arg("groups"));
    m.def(
        "beta_binomial_fit",
        [](const Array<double>& x, const Array<double>& successes, const Array<double>& trials,
           const LogisticOptions& options) {
            BetaBinomialFit fit = unlocked([&] { return beta_binomial_fit(view(x), view(successes), view(trials), options); });
            return py::make_tuple(std::move(fit.curve), fit.overdispersion, fit.likelihood_ratio, fit.p_value);
        },
        py::arg("x"), py::arg("successes"), py::arg("trials"), py::arg("options"));
}

}  // namespace modalconflict::bindings
