#pragma once

namespace modalconflict::detail {

[[nodiscard]] double normal_cdf(double z);
/// Inverse of normal_cdf within (0, 1); ±inf at 0 and 1.
/// Source: Wichura (1988), Algorithm AS 241: The percentage points of the normal distribution.
[[nodiscard]] double normal_quantile(double probability);

}  // namespace modalconflict::detail
