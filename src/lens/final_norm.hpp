#pragma once

#include <modalconflict/lens/unembedding.hpp>

#include <cstdint>
#include <vector>

namespace modalconflict::lens {

/// The final norm with its vectors widened to float32 once.
class RowNorm {
public:
    /// @throws InvalidArgument  if a vector has another size than `columns`, or eps or the kind is out of range.
    RowNorm(const FinalNorm& norm, std::int64_t columns);

    /// to = norm(from), both of `columns` elements; sums in float64.
    void apply(const float* from, float* to) const;

private:
    FinalNorm::Kind kind_;
    double eps_;
    std::vector<float> weight_;  ///< weight + offset
    std::vector<float> bias_;
};

/// The vector's values in float32.
[[nodiscard]] std::vector<float> widened(const VectorView& vector);

}  // namespace modalconflict::lens
