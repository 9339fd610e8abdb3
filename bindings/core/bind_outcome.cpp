#include "module.hpp"

#include <modalconflict/core/outcome.hpp>
#include <modalconflict/error.hpp>


#include <string>

namespace modalconflict::bindings {

void bind_outcome(py::module_& m) {
    m.def(
        "classify_outcomes",
        [](const std::vector<std::string>& multimodal, const std::vector<std::string>& text,
           const std::vector<std::string>& vision) {
            if (text.size() != multimodal.size() || vision.size() != multimodal.size()) {
                throw InvalidArgument("y_multimodal, y_text and y_vision differ in length: give one answer each a case");
            }
            std::vector<std::string> out;
            out.reserve(multimodal.size());
            for (std::size_t i = 0; i < multimodal.size(); ++i) {
                try {
                    out.emplace_back(to_string(classify_outcome(multimodal[i], text[i], vision[i])));
                } catch (const InvalidArgument& error) {
                    throw InvalidArgument("case " + std::to_string(i) + ": " + error.what());
                }
            }
            return out;
        },
        py::arg("y_multimodal"), py::arg("y_text"), py::arg("y_vision"));
    m.def(
        "count_outcomes",
        [](const std::vector<std::string>& names) {
            std::vector<Outcome> outcomes;
            outcomes.reserve(names.size());
            for (std::size_t i = 0; i < names.size(); ++i) {
                try {
                    outcomes.push_back(outcome_from_string(names[i]));
                } catch (const InvalidArgument& error) {
                    throw InvalidArgument("outcomes[" + std::to_string(i) + "]: " + error.what());
                }
            }
            const OutcomeCounts counts = count_outcomes(outcomes);
            return py::make_tuple(counts.text, counts.vision, counts.other, counts.no_conflict,
                                  counts.text_following_rate());
        },
        py::arg("outcomes"));
}

}  // namespace modalconflict::bindings
