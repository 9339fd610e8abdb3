#include <modalconflict/core/sequence_uncertainty.hpp>

#include "checks.hpp"

#include <modalconflict/core/softmax_moments.hpp>

#include <limits>
#include <map>
#include <vector>

namespace modalconflict {
namespace {
constexpr double kInfinity = std::numeric_limits<double>::infinity();
}

double sequence_surprisal(std::span<const double> token_log_probs, bool normalize) {
    checks::not_empty("token_log_probs", token_log_probs.size());
    double sum = 0.0;
    for (std::size_t i = 0; i < token_log_probs.size(); ++i) {
        if (!(token_log_probs[i] <= 0.0)) {
            checks::fail("token_log_probs[", i, "] is ", token_log_probs[i], ": the logarithm of a probability is 0 or less");
        }
        sum -= token_log_probs[i];
    }
    return normalize ? sum / static_cast<double>(token_log_probs.size()) : sum;
}

double semantic_entropy(std::span<const double> log_probs, std::span<const std::size_t> classes) {
    checks::not_empty("log_probs", log_probs.size());
    checks::same_length("classes", classes.size(), "log_probs", log_probs.size());
    std::map<std::size_t, std::vector<double>> members;
    for (std::size_t i = 0; i < log_probs.size(); ++i) {
        if (std::isnan(log_probs[i]) || log_probs[i] == kInfinity) {
            checks::fail("log_probs[", i, "] is ", log_probs[i], ": give logarithms of probabilities");
        }
        if (log_probs[i] > -kInfinity) members[classes[i]].push_back(log_probs[i]);
    }
    if (members.empty()) checks::fail("log_probs are all -inf: at least one answer needs a probability");
    std::vector<double> masses;
    for (const auto& [code, values] : members) {
        masses.push_back(softmax_moments(std::span<const double>(values)).log_sum_exp());
    }
    return softmax_moments(std::span<const double>(masses)).entropy();
}

}  // namespace modalconflict
