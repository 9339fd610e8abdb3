#include "module.hpp"

#include <modalconflict/core/balance_point.hpp>
#include <modalconflict/core/decomposition.hpp>
#include <modalconflict/core/isotonic_band.hpp>
#include <modalconflict/core/isotonic_surface.hpp>
#include <modalconflict/core/oscillation.hpp>
#include <modalconflict/error.hpp>

#include <tuple>

namespace modalconflict::bindings {
namespace {

using Codes = std::optional<Array<std::size_t>>;

std::span<const std::size_t> codes_or_none(const Codes& groups) {
    return groups ? view(*groups) : std::span<const std::size_t>{};
}

std::tuple<double, double, double> part(const Part& part) { return {part.estimate, part.low, part.high}; }

}  // namespace

void bind_comparison(py::module_& m) {
    m.def("balance_points_disagree", &balance_points_disagree, py::arg("first"), py::arg("second"));
    m.def(
        "balance_point_difference",
        [](const Array<double>& x_first, const Array<double>& y_first, const Array<std::size_t>& groups_first,
           const Array<double>& x_second, const Array<double>& y_second, const Array<std::size_t>& groups_second,
           const BalanceOptions& options) {
            BalanceDifference found = unlocked([&] {
                return balance_point_difference({view(x_first), view(y_first), view(groups_first)},
                                                {view(x_second), view(y_second), view(groups_second)}, options);
            });
            return py::make_tuple(found.estimate, found.low, found.high, found.p_value, found.groups, found.replicates,
                                  found.replicates_undefined, std::move(found.first), std::move(found.second));
        },
        py::arg("x_first"), py::arg("y_first"), py::arg("groups_first"), py::arg("x_second"), py::arg("y_second"),
        py::arg("groups_second"), py::arg("options"));
    m.def(
        "decompose_following",
        [](const Array<double>& x_first, const Array<double>& y_first, const Codes& groups_first,
           const Array<double>& x_second, const Array<double>& y_second, const Codes& groups_second, double level,
           std::size_t replicates, std::uint64_t seed, unsigned threads) {
            const Decomposition found = unlocked([&] {
                return decompose_following({view(x_first), view(y_first), codes_or_none(groups_first)},
                                           {view(x_second), view(y_second), codes_or_none(groups_second)}, level,
                                           replicates, seed, threads);
            });
            return py::make_tuple(part(found.total), part(found.distribution), part(found.curve), found.first_outside,
                                  found.second_outside);
        },
        py::arg("x_first"), py::arg("y_first"), py::arg("groups_first"), py::arg("x_second"), py::arg("y_second"),
        py::arg("groups_second"), py::arg("level"), py::arg("replicates"), py::arg("seed"), py::arg("threads"));
    m.def(
        "isotonic_band",
        [](const Array<double>& x, const Array<double>& y, const Codes& groups, const Array<double>& at, bool increasing,
           double level, std::size_t replicates, std::uint64_t seed, unsigned threads) {
            IsotonicBand band = unlocked([&] {
                return isotonic_band(view(x), view(y), codes_or_none(groups), view(at), increasing, level, replicates, seed,
                                     threads);
            });
            return py::make_tuple(to_array(std::move(band.x)), to_array(std::move(band.fit)),
                                  to_array(std::move(band.low)), to_array(std::move(band.high)));
        },
        py::arg("x"), py::arg("y"), py::arg("groups"), py::arg("at"), py::arg("increasing"), py::arg("level"),
        py::arg("replicates"), py::arg("seed"), py::arg("threads"));
    m.def(
        "isotonic_surface",
        [](const Array<double>& values, const Array<double>& weights, bool increasing_rows, bool increasing_columns) {
            if (values.ndim() != 2) throw InvalidArgument("values have to be a matrix");
            const auto rows = static_cast<std::size_t>(values.shape(0)), columns = static_cast<std::size_t>(values.shape(1));
            auto fit = unlocked([&] {
                return isotonic_surface(view(values), view(weights), rows, columns, increasing_rows, increasing_columns);
            });
            return py::array_t<double>(to_array(std::move(fit)).reshape({values.shape(0), values.shape(1)}));
        },
        py::arg("values"), py::arg("weights"), py::arg("increasing_rows"), py::arg("increasing_columns"));
    m.def(
        "commitment_layers",
        [](const Array<double>& lead) {
            if (lead.ndim() != 2) throw InvalidArgument("lead has to be a matrix: one row a case");
            const auto layers = static_cast<std::size_t>(lead.shape(1));
            std::vector<long long> out;
            for (std::size_t row = 0; row < static_cast<std::size_t>(lead.shape(0)); ++row) {
                try {
                    const auto layer = commitment_layer(view(lead).subspan(row * layers, layers));
                    out.push_back(layer ? static_cast<long long>(*layer) : -1);
                } catch (const InvalidArgument& error) {
                    throw InvalidArgument("case " + std::to_string(row) + ": " + error.what());
                }
            }
            return to_array(std::move(out));
        },
        py::arg("lead"));
    m.def(
        "permutation_test",
        [](const Array<double>& values, const Array<std::uint8_t>& is_first, const Codes& groups, std::size_t permutations,
           std::uint64_t seed, unsigned threads) {
            const PermutationTest test = unlocked([&] {
                return permutation_test(view(values), view(is_first), codes_or_none(groups), permutations, seed, threads);
            });
            return py::make_tuple(test.difference, test.p_value, test.first, test.second, test.permutations);
        },
        py::arg("values"), py::arg("is_first"), py::arg("groups"), py::arg("permutations"), py::arg("seed"),
        py::arg("threads"));
}

}  // namespace modalconflict::bindings
