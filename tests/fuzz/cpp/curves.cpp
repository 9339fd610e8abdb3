// Curves and balance points of any numbers: a result that keeps its promises, or InvalidArgument.
#include "own_errors.hpp"
#include "values.hpp"

#include <modalconflict/core/balance_point.hpp>
#include <modalconflict/core/isotonic_band.hpp>
#include <modalconflict/core/isotonic_surface.hpp>
#include <modalconflict/core/logistic_fit.hpp>
#include <modalconflict/core/monotone_fit.hpp>

#include <algorithm>
#include <functional>

namespace mc = modalconflict;
using mc::fuzz::require;

namespace {

struct Cases {
    std::vector<double> x, y, weights;
    std::vector<std::size_t> groups;
    double level = 0.95;
};

void check_monotone(const mc::MonotoneFit& fit, double query) {
    require(std::ranges::is_sorted(fit.x), "knots are not ascending");
    for (const double value : fit.y) require(std::isfinite(value), "an isotonic value is not finite");
    const bool sorted = fit.increasing ? std::ranges::is_sorted(fit.y) : std::ranges::is_sorted(fit.y, std::greater<>());
    require(sorted, "an isotonic curve turns back");
    if (std::isnan(query) || fit.y.empty()) return;
    const double value = fit.predict(query);
    require(value >= std::ranges::min(fit.y) && value <= std::ranges::max(fit.y), "a prediction lies beyond the curve");
    (void)fit.threshold(0.5);
    (void)fit.predict_smooth(std::vector<double>{query, 0.0});
}

mc::LogisticOptions logistic_options(FuzzedDataProvider& in) {
    mc::LogisticOptions options;
    options.increasing = in.ConsumeBool();
    if (in.ConsumeBool()) options.lower_lapse = in.ConsumeBool() ? 0.0 : mc::fuzz::one_value(in, 6);
    if (in.ConsumeBool()) options.upper_lapse = in.ConsumeBool() ? 0.0 : mc::fuzz::one_value(in, 6);
    if (in.ConsumeBool()) options.max_lapse = mc::fuzz::one_value(in, 6);
    if (in.ConsumeBool()) options.max_iterations = in.ConsumeIntegralInRange(-1, 200);
    return options;
}

void logistic(FuzzedDataProvider& in, const Cases& cases) {
    const mc::LogisticFit fit = mc::logistic_fit(cases.x, cases.y, cases.weights, logistic_options(in), cases.groups);
    require(fit.lower_lapse >= 0.0 && fit.upper_lapse >= 0.0 && fit.lower_lapse + fit.upper_lapse <= 1.0, "lapses lie outside their range");
    const double value = fit.predict(mc::fuzz::one_value(in, 0));
    require(value >= 0.0 && value <= 1.0, "a logistic curve leaves [0, 1]");
    (void)fit.threshold(0.5);
}

void balance(FuzzedDataProvider& in, const Cases& cases) {
    mc::BalanceOptions options;
    options.method = in.ConsumeBool() ? mc::BalanceMethod::cir : mc::BalanceMethod::logistic;
    options.interval = static_cast<mc::IntervalKind>(in.ConsumeIntegralInRange(0, 2));
    options.level = cases.level;
    options.replicates = in.ConsumeIntegralInRange<std::size_t>(0, 7) == 0 ? in.ConsumeIntegralInRange<std::size_t>(0, 99) : 100;
    options.seed = in.ConsumeIntegral<std::uint8_t>();
    options.cluster_correction = in.ConsumeBool();
    options.threads = 1;
    if (in.ConsumeBool()) options.logistic = logistic_options(in);
    const mc::BalancePoint point = mc::balance_point(cases.x, cases.y, cases.groups, options);
    const bool crosses = point.status == mc::BalanceStatus::crossing || point.status == mc::BalanceStatus::one_sided;
    if (crosses) require(std::isfinite(point.estimate), "a crossing without a place");
    if (!std::isnan(point.low) && !std::isnan(point.high)) require(point.low <= point.high, "an interval ends before it begins");
    require(!(point.status == mc::BalanceStatus::crossing && (std::isnan(point.low) || std::isnan(point.high))), "an interval without ends");
}

void surface(FuzzedDataProvider& in) {
    const auto rows = in.ConsumeIntegralInRange<std::size_t>(0, 6), columns = in.ConsumeIntegralInRange<std::size_t>(0, 6);
    const auto values = mc::fuzz::values(in, mc::fuzz::length_near(in, rows * columns));
    const auto weights = mc::fuzz::values(in, mc::fuzz::length_near(in, rows * columns));
    const auto fit = mc::isotonic_surface(values, weights, rows, columns, in.ConsumeBool(), in.ConsumeBool());
    require(fit.size() == rows * columns, "a surface of another size");
    for (const double value : fit) require(std::isfinite(value), "a surface's value is not finite");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    FuzzedDataProvider in(data, size);
    mc::fuzz::own_errors_only([&] {
        const int which = in.ConsumeIntegralInRange(0, 7);
        if (which == 7) return surface(in);
        Cases cases;
        const auto count = in.ConsumeIntegralInRange<std::size_t>(0, 32);
        cases.x = mc::fuzz::values(in, count);
        cases.y = mc::fuzz::values(in, mc::fuzz::length_near(in, count));
        if (in.ConsumeBool()) cases.weights = mc::fuzz::values(in, mc::fuzz::length_near(in, count));
        cases.groups = mc::fuzz::groups(in, count);
        cases.level = mc::fuzz::level(in);
        const double query = mc::fuzz::one_value(in, 6);
        switch (which) {
            case 0: return check_monotone(mc::isotonic_fit(cases.x, cases.y, cases.weights, in.ConsumeBool()), query);
            case 1: return check_monotone(mc::centered_isotonic_fit(cases.x, cases.y, cases.weights, in.ConsumeBool()), query);
            case 2: return logistic(in, cases);
            case 3: return (void)mc::beta_binomial_fit(cases.x, cases.y, cases.weights, logistic_options(in));
            case 4: return (void)mc::crossing_likelihood_ratio(cases.x, cases.y, cases.level);
            case 5: {
                const auto at = mc::fuzz::values(in, in.ConsumeIntegralInRange<std::size_t>(0, 4));
                return (void)mc::isotonic_band(cases.x, cases.y, cases.groups, at, in.ConsumeBool(), cases.level, 100, 1, 1);
            }
            default: return balance(in, cases);
        }
    });
    return 0;
}
