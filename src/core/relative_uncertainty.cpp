#include <modalconflict/core/relative_uncertainty.hpp>

#include "checks.hpp"

#include <limits>

namespace modalconflict {
namespace {

void check_pair(std::span<const double> u_text, std::span<const double> u_vision, std::size_t out) {
    checks::same_length("u_vision", u_vision.size(), "u_text", u_text.size());
    checks::same_length("out", out, "u_text", u_text.size());
    const auto non_negative = [](std::string_view name, std::span<const double> values) {
        for (std::size_t i = 0; i < values.size(); ++i) {
            if (!(values[i] >= 0.0) || !std::isfinite(values[i])) {
                checks::fail(name, "[", i, "] is ", values[i],
                             ": a relative difference needs a finite uncertainty that is not negative");
            }
        }
    };
    non_negative("u_text", u_text);
    non_negative("u_vision", u_vision);
}

double both_zero(ZeroPolicy policy, std::size_t index) {
    switch (policy) {
        case ZeroPolicy::zero: return 0.0;
        case ZeroPolicy::raise:
            checks::fail("u_text[", index, "] and u_vision[", index,
                         "] are both zero: their relative difference is undefined; choose the policy nan or zero");
        case ZeroPolicy::nan: break;
    }
    return std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

void relative_uncertainty(std::span<const double> u_text, std::span<const double> u_vision, ZeroPolicy zero_policy,
                          std::span<double> out) {
    check_pair(u_text, u_vision, out.size());
    for (std::size_t i = 0; i < out.size(); ++i) {
        // Halves first: the sum of two values near the largest double would overflow.
        const double half_sum = 0.5 * u_text[i] + 0.5 * u_vision[i];
        if (u_text[i] == 0.0 && u_vision[i] == 0.0) {
            out[i] = both_zero(zero_policy, i);
        } else if (half_sum < std::numeric_limits<double>::min()) {
            // Below the normal numbers halving loses the last digit: scale up first, which is exact.
            const double text = u_text[i] * 0x1p100, vision = u_vision[i] * 0x1p100;
            out[i] = 2.0 * (text - vision) / (text + vision);
        } else {
            out[i] = (u_text[i] - u_vision[i]) / half_sum;
        }
    }
}

void log_uncertainty_ratio(std::span<const double> u_text, std::span<const double> u_vision, ZeroPolicy zero_policy,
                           std::span<double> out) {
    check_pair(u_text, u_vision, out.size());
    for (std::size_t i = 0; i < out.size(); ++i) {
        const bool zero = u_text[i] == 0.0 && u_vision[i] == 0.0;
        out[i] = zero ? both_zero(zero_policy, i) : std::log(u_text[i]) - std::log(u_vision[i]);
    }
}

void relative_uncertainty_error(std::span<const double> u_text, std::span<const double> u_vision,
                                std::span<const double> error_text, std::span<const double> error_vision,
                                std::span<double> out) {
    check_pair(u_text, u_vision, out.size());
    checks::same_length("error_text", error_text.size(), "u_text", u_text.size());
    checks::same_length("error_vision", error_vision.size(), "u_text", u_text.size());
    checks::within("error_text", error_text, 0.0, std::numeric_limits<double>::max());
    checks::within("error_vision", error_vision, 0.0, std::numeric_limits<double>::max());
    for (std::size_t i = 0; i < out.size(); ++i) {
        const double sum = u_text[i] + u_vision[i];
        const double by_text = u_vision[i] / sum / sum, by_vision = u_text[i] / sum / sum;
        out[i] = 4.0 * std::hypot(by_text * error_text[i], by_vision * error_vision[i]);
    }
}

}  // namespace modalconflict
