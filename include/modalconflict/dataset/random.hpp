#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <utility>
#include <vector>

namespace modalconflict::dataset {

/// Integer generator with the same numbers on every machine: SplitMix64 (Steele, Lea & Flood 2014) started from a
/// hash of the seed and a path of stream numbers, so that every group, scene and text draws from a stream of its own
/// and no result depends on the order in which they are made. The standard distributions are avoided because
/// their algorithms are left to the implementation.
class Random {
public:
    Random(std::uint64_t seed, std::initializer_list<std::uint64_t> stream);

    [[nodiscard]] std::uint64_t next();

    /// Uniform on [0, n), without modulo bias (Lemire 2019). @throws InvalidArgument if n is 0.
    [[nodiscard]] std::uint64_t below(std::uint64_t n);

    /// Uniform on [low, high], both ends included. @throws InvalidArgument if high < low.
    [[nodiscard]] std::int64_t between(std::int64_t low, std::int64_t high);

    /// One element of a non-empty range.
    template <typename T>
    [[nodiscard]] const T& pick(std::span<const T> values) {
        return values[static_cast<std::size_t>(below(values.size()))];
    }
    template <typename T>
    [[nodiscard]] const T& pick(const std::vector<T>& values) {
        return pick(std::span<const T>(values));
    }

    /// Fisher–Yates.
    template <typename T>
    void shuffle(std::vector<T>& values) {
        for (std::size_t i = values.size(); i > 1; --i) {
            std::swap(values[i - 1], values[static_cast<std::size_t>(below(i))]);
        }
    }

private:
    std::uint64_t state_;
};

}  // namespace modalconflict::dataset
