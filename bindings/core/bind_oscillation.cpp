#include "module.hpp"

#include <modalconflict/core/oscillation.hpp>
#include <modalconflict/error.hpp>


#include <string>

namespace modalconflict::bindings {

void bind_oscillation(py::module_& m) {
    m.def(
        "count_oscillations_by_third",
        [](const std::vector<std::vector<std::string>>& rows) {
            py::array_t<long long> out({static_cast<py::ssize_t>(rows.size()), py::ssize_t{3}});
            auto counts = out.mutable_unchecked<2>();
            std::vector<LayerLabel> labels;
            for (std::size_t row = 0; row < rows.size(); ++row) {
                labels.clear();
                for (std::size_t layer = 0; layer < rows[row].size(); ++layer) {
                    try {
                        labels.push_back(layer_label_from_string(rows[row][layer]));
                    } catch (const InvalidArgument& error) {
                        throw InvalidArgument("labels[" + std::to_string(row) + "][" + std::to_string(layer) +
                                              "]: " + error.what());
                    }
                }
                const auto thirds = count_oscillations_by_third(labels);
                for (std::size_t third = 0; third < 3; ++third) {
                    counts(static_cast<py::ssize_t>(row), static_cast<py::ssize_t>(third)) =
                        static_cast<long long>(thirds[third]);
                }
            }
            return out;
        },
        py::arg("labels"));
}

}  // namespace modalconflict::bindings
