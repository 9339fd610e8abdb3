// Uncertainties of any logits and probabilities: numbers within the range that the index states, or InvalidArgument.
#include "own_errors.hpp"
#include "values.hpp"

#include <modalconflict/core/calibration.hpp>
#include <modalconflict/core/relative_uncertainty.hpp>
#include <modalconflict/core/sequence_uncertainty.hpp>
#include <modalconflict/core/uncertainty.hpp>

#include <algorithm>

namespace mc = modalconflict;
using mc::fuzz::require;

namespace {

std::vector<std::ptrdiff_t> token_ids(FuzzedDataProvider& in, std::size_t count) {
    std::vector<std::ptrdiff_t> ids(count);
    for (auto& id : ids) id = in.ConsumeIntegralInRange(0, 31) == 0 ? in.ConsumeIntegral<std::ptrdiff_t>() : in.ConsumeIntegralInRange<std::ptrdiff_t>(0, 7);
    return ids;
}

mc::UncertaintyOptions options_of(FuzzedDataProvider& in, std::size_t rows) {
    mc::UncertaintyOptions options;
    options.k = in.ConsumeIntegralInRange(-1, 12);
    if (in.ConsumeBool()) options.alpha = mc::fuzz::one_value(in, 6);
    if (in.ConsumeBool()) options.q = mc::fuzz::one_value(in, 6);
    if (in.ConsumeBool()) options.temperature = mc::fuzz::one_value(in, 6);
    options.targets = token_ids(in, in.ConsumeBool() ? rows : in.ConsumeIntegralInRange<std::size_t>(0, 3));
    options.candidates.resize(in.ConsumeIntegralInRange<std::size_t>(0, 3));
    for (auto& candidate : options.candidates) candidate = token_ids(in, in.ConsumeIntegralInRange<std::size_t>(0, 3));
    return options;
}

void index(FuzzedDataProvider& in) {
    const auto rows = in.ConsumeIntegralInRange<std::size_t>(0, 4), columns = in.ConsumeIntegralInRange<std::size_t>(0, 9);
    const auto kind = static_cast<mc::UncertaintyIndex>(in.ConsumeIntegralInRange(0, 14));
    const auto options = options_of(in, rows);
    const int source = in.ConsumeIntegralInRange(0, 2);
    auto numbers = mc::fuzz::values(in, mc::fuzz::length_near(in, rows * columns));
    std::vector<double> out(mc::fuzz::length_near(in, rows));
    if (source == 0) {
        // A float as its own bits, so that every one of them comes up, and not through a conversion that could overflow.
        std::vector<float> floats;
        for (const double number : numbers) floats.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(std::bit_cast<std::uint64_t>(number) >> 32U)));
        mc::uncertainty_from_logits(floats, columns, kind, options, out, 1);
    } else if (source == 1) {
        mc::uncertainty_from_logits(numbers, columns, kind, options, out, 1);
    } else {
        if (in.ConsumeBool() && columns > 0) {
            for (std::size_t row = 0; row + columns <= numbers.size(); row += columns) {
                double sum = 0.0;
                for (std::size_t k = row; k < row + columns; ++k) sum += numbers[k] = std::abs(numbers[k]);
                for (std::size_t k = row; k < row + columns; ++k) numbers[k] /= sum;
            }
        }
        mc::uncertainty_from_probs(numbers, columns, kind, options, out, 1);
    }
    // Reached only where the input was accepted.
    for (const double value : out) {
        require(!std::isnan(value), "an index is NaN");
        const double least = mc::uncertainty_indices()[static_cast<std::size_t>(kind)].lower_bound;
        require(value >= least - 1e-9, "an index lies below its range");
    }
}

void relative(FuzzedDataProvider& in) {
    const auto count = in.ConsumeIntegralInRange<std::size_t>(0, 12);
    const auto text = mc::fuzz::values(in, count), vision = mc::fuzz::values(in, mc::fuzz::length_near(in, count));
    std::vector<double> out(mc::fuzz::length_near(in, count));
    const auto policy = static_cast<mc::ZeroPolicy>(in.ConsumeIntegralInRange(0, 2));
    if (in.ConsumeBool()) return mc::log_uncertainty_ratio(text, vision, policy, out);
    mc::relative_uncertainty(text, vision, policy, out);
    for (const double value : out) require(std::isnan(value) || (value >= -2.0 && value <= 2.0), "a relative uncertainty lies outside [-2, 2]");
    const auto error_text = mc::fuzz::values(in, count), error_vision = mc::fuzz::values(in, count);
    mc::relative_uncertainty_error(text, vision, error_text, error_vision, out);
    for (const double value : out) require(!(value < 0.0), "a standard error is negative");
}

void calibration(FuzzedDataProvider& in) {
    const auto rows = in.ConsumeIntegralInRange<std::size_t>(0, 6), columns = in.ConsumeIntegralInRange<std::size_t>(0, 5);
    const auto logits = mc::fuzz::values(in, mc::fuzz::length_near(in, rows * columns));
    const auto fit = mc::fit_temperature(logits, columns, token_ids(in, rows), in.ConsumeIntegralInRange<std::size_t>(0, 20), 1);
    require(fit.temperature > 0.0 && std::isfinite(fit.temperature), "a temperature is not positive");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    FuzzedDataProvider in(data, size);
    mc::fuzz::own_errors_only([&] {
        const int which = in.ConsumeIntegralInRange(0, 9);
        if (which <= 5) return index(in);
        if (which == 6) return relative(in);
        if (which == 7) return calibration(in);
        const auto values = mc::fuzz::values(in, in.ConsumeIntegralInRange<std::size_t>(0, 12));
        if (which == 8) {
            const auto right = mc::fuzz::values(in, mc::fuzz::length_near(in, values.size()));
            const double error = mc::expected_calibration_error(values, right, in.ConsumeIntegralInRange<std::size_t>(0, 20));
            return require(error >= 0.0 && error <= 1.0 + 1e-12, "a calibration error outside [0, 1]");
        }
        (void)mc::entropy(values);
        (void)mc::entropy_from_logits(values);
        (void)mc::sequence_surprisal(values, in.ConsumeBool());
        std::vector<std::size_t> classes(mc::fuzz::length_near(in, values.size()));
        for (auto& one : classes) one = in.ConsumeIntegralInRange(0, 15) == 0 ? in.ConsumeIntegral<std::size_t>() : in.ConsumeIntegralInRange<std::size_t>(0, 3);
        (void)mc::semantic_entropy(values, classes);
    });
    return 0;
}
