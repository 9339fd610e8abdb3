// Tests and comparisons of any numbers: a p-value within [0, 1], NaN where the function says so, or InvalidArgument.
#include "own_errors.hpp"
#include "values.hpp"

#include <modalconflict/core/balance_point.hpp>
#include <modalconflict/core/decomposition.hpp>
#include <modalconflict/core/monotonicity.hpp>
#include <modalconflict/core/oscillation.hpp>
#include <modalconflict/core/outcome.hpp>

namespace mc = modalconflict;
using mc::fuzz::require;

namespace {

void require_p(double p) { require(std::isnan(p) || (p >= 0.0 && p <= 1.0), "a p-value outside [0, 1]"); }

void permutations(FuzzedDataProvider& in, const std::vector<double>& values, const std::vector<std::size_t>& groups) {
    std::vector<std::uint8_t> first(mc::fuzz::length_near(in, values.size()));
    for (auto& one : first) one = in.ConsumeIntegralInRange(0, 31) == 0 ? in.ConsumeIntegral<std::uint8_t>() : in.ConsumeBool();
    require_p(mc::permutation_test(values, first, groups, 100, 3, 1).p_value);
}

void layers(FuzzedDataProvider& in) {
    std::vector<mc::LayerLabel> labels(in.ConsumeIntegralInRange<std::size_t>(0, 40));
    for (auto& label : labels) label = static_cast<mc::LayerLabel>(in.ConsumeIntegralInRange(0, 2));
    const auto total = mc::count_oscillations(labels);
    const auto thirds = mc::count_oscillations_by_third(labels);
    require(thirds[0] + thirds[1] + thirds[2] == total, "thirds do not add up");
    (void)mc::commitment_layer(mc::fuzz::values(in, in.ConsumeIntegralInRange<std::size_t>(0, 40)));
    const auto a = in.ConsumeRandomLengthString(16), b = in.ConsumeRandomLengthString(16), c = in.ConsumeRandomLengthString(16);
    (void)mc::classify_outcome(a, b, c);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    FuzzedDataProvider in(data, size);
    mc::fuzz::own_errors_only([&] {
        const int which = in.ConsumeIntegralInRange(0, 9);
        if (which == 9) return layers(in);
        const auto count = in.ConsumeIntegralInRange<std::size_t>(0, 32);
        const auto x = mc::fuzz::values(in, count);
        const auto y = mc::fuzz::values(in, mc::fuzz::length_near(in, count));
        const auto groups = mc::fuzz::groups(in, count);
        mc::MonotonicityOptions options;
        options.bins = in.ConsumeIntegralInRange<std::size_t>(0, 12);
        options.increasing = in.ConsumeBool();
        options.replicates = 100;
        options.threads = 1;
        switch (which) {
            case 0: return require_p(mc::violation_test(x, y, groups, options).p_value);
            case 1: return require_p(mc::trend_test(x, y, groups, options).p_value);
            case 2: {
                const auto total = mc::fuzz::values(in, mc::fuzz::length_near(in, count));
                return require_p(mc::sufficiency_test(x, y, total, groups).p_value);
            }
            case 3: {
                const double rho = mc::spearman(x, y);
                return require(std::isnan(rho) || (rho >= -1.0 - 1e-12 && rho <= 1.0 + 1e-12), "a correlation outside [-1, 1]");
            }
            case 4: return permutations(in, x, groups);
            case 5: return (void)mc::bin_means(x, y, options.bins);
            case 6: {
                const auto other_x = mc::fuzz::values(in, count), other_y = mc::fuzz::values(in, count);
                const auto other_groups = mc::fuzz::groups(in, count);
                const auto parts = mc::decompose_following({x, y, groups}, {other_x, other_y, other_groups}, mc::fuzz::level(in), 100, 1, 1);
                return require(std::abs(parts.distribution.estimate + parts.curve.estimate - parts.total.estimate) < 1e-9, "parts do not add up");
            }
            case 7: {
                const auto other_x = mc::fuzz::values(in, count), other_y = mc::fuzz::values(in, count);
                const auto other_groups = mc::fuzz::groups(in, count);
                mc::BalanceOptions balance;
                balance.replicates = 100;
                balance.threads = 1;
                balance.level = mc::fuzz::level(in);
                return require_p(mc::balance_point_difference({x, y, groups}, {other_x, other_y, other_groups}, balance).p_value);
            }
            default: return require_p(mc::chi_square_survival(mc::fuzz::one_value(in, 6), in.ConsumeIntegralInRange(0U, 100U)));
        }
    });
    return 0;
}
