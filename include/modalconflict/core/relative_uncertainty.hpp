#pragma once

#include <span>

namespace modalconflict {

/// What 0/0 means: both modalities are certain, so neither is the easier one.
enum class ZeroPolicy {
    nan,    ///< the case has no relative uncertainty
    zero,   ///< the two are equally easy
    raise,  ///< InvalidArgument naming the index
};

/// ΔU_rel = 2 (U_t − U_v) / (U_t + U_v), within [−2, 2]; negative: the text is the easier one.
///
/// @param u_text    Uncertainty of the text-only run, shape (n,), finite and non-negative.
/// @param u_vision  The same of the vision-only run.
/// @param out       Shape (n,).
/// @throws InvalidArgument  if lengths differ or a value is negative, NaN or infinite.
///
/// Source: arXiv 2511.02243, "When Modalities Conflict".
void relative_uncertainty(std::span<const double> u_text, std::span<const double> u_vision, ZeroPolicy zero_policy,
                          std::span<double> out);

/// log(U_t / U_v) = 2 atanh(ΔU_rel / 2): the same order, without saturation at ±2. One zero gives ±inf.
void log_uncertainty_ratio(std::span<const double> u_text, std::span<const double> u_vision, ZeroPolicy zero_policy,
                           std::span<double> out);

/// Standard error of ΔU_rel by the delta method from those of its two (independent) parts:
/// ∂/∂U_t = 4 U_v / (U_t + U_v)², ∂/∂U_v = −4 U_t / (U_t + U_v)². NaN where both uncertainties are zero.
void relative_uncertainty_error(std::span<const double> u_text, std::span<const double> u_vision,
                                std::span<const double> error_text, std::span<const double> error_vision,
                                std::span<double> out);

}  // namespace modalconflict
