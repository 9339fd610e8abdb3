#include <modalconflict/core/random.hpp>

#include <cmath>
#include <numbers>

namespace modalconflict {

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> c, std::array<std::uint32_t, 2> key) {
    constexpr std::uint64_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
    constexpr std::uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t product0 = kMultiplier0 * c[0], product1 = kMultiplier1 * c[2];
        c = {static_cast<std::uint32_t>(product1 >> 32) ^ c[1] ^ key[0], static_cast<std::uint32_t>(product1),
             static_cast<std::uint32_t>(product0 >> 32) ^ c[3] ^ key[1], static_cast<std::uint32_t>(product0)};
        key[0] += kWeyl0;
        key[1] += kWeyl1;
    }
    return c;
}

CounterRng::CounterRng(std::uint64_t seed, std::uint64_t stream)
    : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
      counter_{0, 0, static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(stream >> 32)} {}

CounterRng::result_type CounterRng::operator()() {
    if (used_ == 4) {
        block_ = philox4x32(counter_, key_);
        if (++counter_[0] == 0) ++counter_[1];
        used_ = 0;
    }
    return block_[used_++];
}

std::uint32_t CounterRng::below(std::uint32_t bound) {
    // Lemire (2019): the high word of a product is uniform once the few unequal low words are refused.
    std::uint64_t product = static_cast<std::uint64_t>((*this)()) * bound;
    if (static_cast<std::uint32_t>(product) < bound) {
        const std::uint32_t refused = (0U - bound) % bound;
        while (static_cast<std::uint32_t>(product) < refused) product = static_cast<std::uint64_t>((*this)()) * bound;
    }
    return static_cast<std::uint32_t>(product >> 32);
}

double CounterRng::uniform() {
    const std::uint64_t high = (*this)(), low = (*this)();
    return (static_cast<double>(((high << 32) | low) >> 11) + 0.5) * 0x1p-53;
}

double CounterRng::normal() {
    const double radius = std::sqrt(-2.0 * std::log(uniform()));
    return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

}  // namespace modalconflict
