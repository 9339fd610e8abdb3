#pragma once

#include <array>
#include <cstdint>
#include <limits>

namespace modalconflict {

/// Philox4x32-10: a counter goes in, four random words come out. There is no state, so replicate r of a
/// bootstrap draws the same numbers on any thread.
///
/// Source: Salmon, Moraes, Dror & Shaw (2011), Parallel random numbers: as easy as 1, 2, 3.
[[nodiscard]] std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                                      std::array<std::uint32_t, 2> key);

/// The stream of one (seed, stream) pair, usable as a standard uniform random bit generator.
class CounterRng {
public:
    using result_type = std::uint32_t;
    CounterRng(std::uint64_t seed, std::uint64_t stream);

    static constexpr result_type min() { return 0; }
    static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }
    result_type operator()();

    /// Uniform in [0, bound), without bias; bound >= 1.
    std::uint32_t below(std::uint32_t bound);
    /// Uniform in (0, 1).
    double uniform();
    /// Standard normal, by Box and Muller.
    double normal();

private:
    std::array<std::uint32_t, 2> key_;
    std::array<std::uint32_t, 4> counter_;
    std::array<std::uint32_t, 4> block_{};
    unsigned used_ = 4;
};

}  // namespace modalconflict
