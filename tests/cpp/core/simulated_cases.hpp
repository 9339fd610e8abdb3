#pragma once

#include <modalconflict/core/random.hpp>

#include <cmath>
#include <cstddef>
#include <vector>

/// Cases whose probability to follow the text falls as 1 / (1 + exp((x + 0.3) / 0.4)), in groups with a common shift.
struct SimulatedCases {
    std::vector<double> x, y;
    std::vector<std::size_t> groups;
};

inline SimulatedCases simulate_cases(std::size_t groups, std::size_t per_group, double group_spread, std::uint64_t seed,
                                     double centre = -0.3) {
    SimulatedCases cases;
    modalconflict::CounterRng rng(seed, 0);
    for (std::size_t g = 0; g < groups; ++g) {
        const double shift = group_spread * rng.normal();
        for (std::size_t i = 0; i < per_group; ++i) {
            const double x = 4.0 * rng.uniform() - 2.0;
            const double p = 1.0 / (1.0 + std::exp((x - centre) / 0.4 - shift));
            cases.x.push_back(x);
            cases.y.push_back(rng.uniform() < p ? 1.0 : 0.0);
            cases.groups.push_back(10 * g + 3);
        }
    }
    return cases;
}
