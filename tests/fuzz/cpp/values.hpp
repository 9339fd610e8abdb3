#pragma once

#include <fuzzer/FuzzedDataProvider.h>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace modalconflict::fuzz {

/// Numbers of every kind, one kind or a mixture a vector: a small grid with ties, shares, any 64 bits (NaN, infinities
/// and denormals among them), and the edges of the format.
inline double one_value(FuzzedDataProvider& in, unsigned kind) {
    using Limits = std::numeric_limits<double>;
    static constexpr double kEdges[] = {0.0, -0.0, 1.0, -1.0, 0.5, Limits::max(), Limits::lowest(), Limits::min(), Limits::denorm_min(),
                                        -Limits::denorm_min(), Limits::epsilon(), Limits::infinity(), -Limits::infinity(),
                                        Limits::quiet_NaN(), 1e154, -1e154, 1e-154, 1e300, -1e300, 1.0 - 0x1p-53};
    switch (kind) {
        case 0: return in.ConsumeIntegralInRange(-8, 8) / 4.0;
        case 1: return in.ConsumeIntegral<std::uint8_t>() / 255.0;
        case 2: return in.ConsumeBool() ? 1.0 : 0.0;
        case 3: return std::bit_cast<double>(in.ConsumeIntegral<std::uint64_t>());
        case 4: return kEdges[in.ConsumeIntegralInRange<std::size_t>(0, std::size(kEdges) - 1)];
        case 5: return std::ldexp(in.ConsumeIntegral<std::int8_t>(), in.ConsumeIntegralInRange(-1074, 1016));
        default: return one_value(in, in.ConsumeIntegralInRange(0U, 5U));
    }
}

inline std::vector<double> values(FuzzedDataProvider& in, std::size_t count) {
    const unsigned kind = in.ConsumeIntegralInRange(0U, 6U);
    std::vector<double> made(count);
    for (double& value : made) value = one_value(in, kind);
    return made;
}

/// Mostly as many as wanted, sometimes another number.
inline std::size_t length_near(FuzzedDataProvider& in, std::size_t wanted) {
    return in.ConsumeIntegralInRange(0, 31) == 0 ? in.ConsumeIntegralInRange<std::size_t>(0, 40) : wanted;
}

inline std::vector<std::size_t> groups(FuzzedDataProvider& in, std::size_t count) {
    if (in.ConsumeBool()) return {};
    std::vector<std::size_t> made(length_near(in, count));
    for (auto& group : made) group = in.ConsumeIntegralInRange(0, 31) == 0 ? in.ConsumeIntegral<std::size_t>() : in.ConsumeIntegralInRange<std::size_t>(0, 9);
    return made;
}

/// A share in the middle of (0, 1), or anything.
inline double level(FuzzedDataProvider& in) {
    return in.ConsumeIntegralInRange(0, 7) == 0 ? one_value(in, 6) : 0.05 + 0.9 * in.ConsumeIntegral<std::uint8_t>() / 255.0;
}

}  // namespace modalconflict::fuzz
