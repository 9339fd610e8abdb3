#include <modalconflict/dataset/random.hpp>

#include <modalconflict/error.hpp>

namespace modalconflict::dataset {
namespace {

constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15ULL;

std::uint64_t mix(std::uint64_t z) {
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31U);
}

}  // namespace

Random::Random(std::uint64_t seed, std::initializer_list<std::uint64_t> stream) : state_(mix(seed + kGolden)) {
    for (const std::uint64_t part : stream) state_ = mix(state_ ^ mix(part + kGolden));
}

std::uint64_t Random::next() {
    state_ += kGolden;
    return mix(state_);
}

std::uint64_t Random::below(std::uint64_t n) {
    if (n == 0) throw InvalidArgument("below: n is 0; it must be at least 1");
    // The first 2^64 mod n values are rejected, which leaves a multiple of n.
    const std::uint64_t threshold = (0 - n) % n;
    std::uint64_t value = next();
    while (value < threshold) value = next();
    return value % n;
}

std::int64_t Random::between(std::int64_t low, std::int64_t high) {
    if (high < low) throw InvalidArgument("between: high is below low; swap the two");
    const auto width = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low) + 1;
    if (width == 0) return static_cast<std::int64_t>(next());  // the whole range of the type
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + below(width));
}

}  // namespace modalconflict::dataset
