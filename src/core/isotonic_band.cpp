#include <modalconflict/core/isotonic_band.hpp>

#include "balance_methods.hpp"
#include "checks.hpp"
#include "intervals.hpp"
#include "resampled_isotonic.hpp"

#include <modalconflict/core/parallel.hpp>

#include <algorithm>

namespace modalconflict {

IsotonicBand isotonic_band(std::span<const double> x, std::span<const double> y, std::span<const std::size_t> groups,
                           std::span<const double> at, bool increasing, double level, std::size_t replicates,
                           std::uint64_t seed, unsigned threads) {
    checks::not_empty("x", x.size());
    checks::same_length("y", y.size(), "x", x.size());
    checks::finite("x", x);
    checks::finite("y", y);
    checks::not_empty("at", at.size());
    checks::finite("at", at);
    checks::open_unit("level", level);
    if (replicates < 100) checks::fail("replicates is ", replicates, ": draw at least 100");
    for (std::size_t i = 1; i < at.size(); ++i) {
        if (at[i] < at[i - 1]) checks::fail("at[", i, "] is ", at[i], ", less than the one before: give ascending places");
    }
    std::size_t units = x.size();
    std::vector<std::size_t> codes;
    if (!groups.empty()) {
        checks::same_length("groups", groups.size(), "x", x.size());
        codes = detail::dense_codes(groups, units);
    }
    if (units < 2) checks::fail("groups names one group only: resampling needs at least two");
    const detail::ResampledIsotonic sample(x, y, codes, increasing);
    IsotonicBand band;
    band.x.assign(at.begin(), at.end());
    band.fit.resize(at.size());
    const detail::ResampledIsotonic::Places places = sample.locate(at);
    detail::ResampledIsotonic::Scratch scratch;
    sample.fit_at({}, places, scratch, band.fit);
    std::vector<double> values(replicates * at.size());
    parallel_for(replicates, threads, [&](std::size_t begin, std::size_t end) {
        detail::ResampledIsotonic::Scratch own;
        for (std::size_t r = begin; r < end; ++r) {
            sample.fit_at(detail::draw_groups(seed, r, units), places, own,
                          std::span(values).subspan(r * at.size(), at.size()));
        }
    });
    band.low.resize(at.size());
    band.high.resize(at.size());
    parallel_for(at.size(), threads, [&](std::size_t begin, std::size_t end) {
        std::vector<double> column(replicates);
        for (std::size_t k = begin; k < end; ++k) {
            for (std::size_t r = 0; r < replicates; ++r) column[r] = values[r * at.size() + k];
            std::sort(column.begin(), column.end());
            band.low[k] = detail::sorted_quantile(column, 0.5 * (1.0 - level));
            band.high[k] = detail::sorted_quantile(column, 0.5 * (1.0 + level));
        }
    });
    return band;
}

}  // namespace modalconflict
