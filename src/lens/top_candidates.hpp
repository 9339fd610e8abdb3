#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace modalconflict::lens {

/// A token and its logit. The better one has the larger logit, then the lower id: a total order, so that the
/// best k are the same however the vocabulary was cut up.
struct Candidate {
    float logit;
    std::int64_t id;
};

[[nodiscard]] inline bool better(const Candidate& a, const Candidate& b) {
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

/// The k best tokens of each row. Tokens must be offered in rising order of id.
class TopCandidates {
public:
    TopCandidates(std::int64_t rows, std::int64_t k)
        : k_(static_cast<std::size_t>(k)), best_(static_cast<std::size_t>(rows)) {
        for (auto& row : best_) row.reserve(k_);
    }

    /// What a logit must exceed to enter the row.
    [[nodiscard]] float threshold(std::int64_t row) const {
        const auto& best = best_[static_cast<std::size_t>(row)];
        return best.size() < k_ ? -std::numeric_limits<float>::infinity() : best.back().logit;
    }

    /// Precondition: logit > threshold(row).
    void insert(std::int64_t row, float logit, std::int64_t id) {
        auto& best = best_[static_cast<std::size_t>(row)];
        const auto place = std::upper_bound(best.begin(), best.end(), logit,
                                            [](float value, const Candidate& held) { return value > held.logit; });
        const auto offset = place - best.begin();
        if (best.size() == k_) best.pop_back();
        best.insert(best.begin() + offset, {logit, id});
    }

    [[nodiscard]] std::span<const Candidate> row(std::int64_t row) const { return best_[static_cast<std::size_t>(row)]; }

private:
    std::size_t k_;
    std::vector<std::vector<Candidate>> best_;
};

}  // namespace modalconflict::lens
