#include <modalconflict/core/oscillation.hpp>

#include "balance_methods.hpp"
#include "checks.hpp"

#include <modalconflict/core/parallel.hpp>
#include <modalconflict/core/random.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace modalconflict {

std::optional<std::size_t> commitment_layer(std::span<const double> lead) {
    for (std::size_t layer = 0; layer < lead.size(); ++layer) {
        if (std::isnan(lead[layer])) checks::fail("lead[", layer, "] is nan: leave out layers without both logits");
    }
    if (lead.empty() || lead.back() == 0.0) return std::nullopt;
    std::size_t layer = lead.size() - 1;
    while (layer > 0 && lead[layer - 1] * lead.back() > 0.0) --layer;
    return layer;
}

PermutationTest permutation_test(std::span<const double> values, std::span<const std::uint8_t> is_first,
                                 std::span<const std::size_t> groups, std::size_t permutations, std::uint64_t seed,
                                 unsigned threads) {
    checks::not_empty("values", values.size());
    checks::same_length("is_first", is_first.size(), "values", values.size());
    checks::finite("values", values);
    if (permutations < 100) checks::fail("permutations is ", permutations, ": draw at least 100");
    PermutationTest test;
    test.permutations = permutations;
    test.first = static_cast<std::size_t>(std::count_if(is_first.begin(), is_first.end(), [](auto mark) { return mark != 0; }));
    test.second = values.size() - test.first;
    if (test.first == 0 || test.second == 0) {
        checks::fail("is_first marks ", test.first, " of ", values.size(), " cases: both kinds have to occur");
    }
    // Cases ordered by group: a shuffle stays inside each stretch.
    std::vector<std::size_t> order(values.size()), begin = {0, values.size()};
    std::iota(order.begin(), order.end(), std::size_t{0});
    if (!groups.empty()) {
        checks::same_length("groups", groups.size(), "values", values.size());
        std::size_t count = 0;
        const std::vector<std::size_t> codes = detail::dense_codes(groups, count);
        std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return codes[a] < codes[b]; });
        begin.assign(count + 1, 0);
        for (const std::size_t code : codes) ++begin[code + 1];
        for (std::size_t g = 0; g < count; ++g) begin[g + 1] += begin[g];
    }
    std::vector<double> sorted(values.size());
    std::vector<std::uint8_t> marks(values.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
        sorted[i] = values[order[i]];
        marks[i] = is_first[order[i]];
    }
    const double total = std::accumulate(sorted.begin(), sorted.end(), 0.0);
    const auto difference = [&](std::span<const double> shuffled) {
        double sum = 0.0;
        for (std::size_t i = 0; i < marks.size(); ++i) sum += marks[i] != 0 ? shuffled[i] : 0.0;
        return sum / static_cast<double>(test.first) - (total - sum) / static_cast<double>(test.second);
    };
    test.difference = difference(sorted);
    // Within groups the shuffles centre on what the groups' own shares make of their means, not on zero.
    double centre = 0.0;
    if (!groups.empty()) {
        std::vector<double> means(sorted.size());
        for (std::size_t g = 0; g + 1 < begin.size(); ++g) {
            const double sum = std::accumulate(sorted.begin() + static_cast<std::ptrdiff_t>(begin[g]),
                                               sorted.begin() + static_cast<std::ptrdiff_t>(begin[g + 1]), 0.0);
            std::fill(means.begin() + static_cast<std::ptrdiff_t>(begin[g]),
                      means.begin() + static_cast<std::ptrdiff_t>(begin[g + 1]),
                      sum / static_cast<double>(begin[g + 1] - begin[g]));
        }
        centre = difference(means);
    }
    const double reached = std::abs(test.difference - centre) * (1.0 - 1e-12) - 1e-14;
    std::vector<std::uint8_t> extreme(permutations, 0);
    parallel_for(permutations, threads, [&](std::size_t from, std::size_t to) {
        std::vector<double> shuffled;
        for (std::size_t p = from; p < to; ++p) {
            CounterRng rng(seed, p);
            shuffled = sorted;
            for (std::size_t g = 0; g + 1 < begin.size(); ++g) {
                for (std::size_t i = begin[g + 1]; i > begin[g] + 1; --i) {
                    const std::size_t other = begin[g] + rng.below(static_cast<std::uint32_t>(i - begin[g]));
                    std::swap(shuffled[i - 1], shuffled[other]);
                }
            }
            extreme[p] = std::abs(difference(shuffled) - centre) >= reached ? 1 : 0;
        }
    });
    const auto count = std::count(extreme.begin(), extreme.end(), std::uint8_t{1});
    test.p_value = (static_cast<double>(count) + 1.0) / (static_cast<double>(permutations) + 1.0);
    return test;
}

}  // namespace modalconflict
