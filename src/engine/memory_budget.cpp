#include "engine/memory_budget.hpp"

#include <modalconflict/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

namespace modalconflict {
namespace {

constexpr std::int64_t kSmallestPrompt = 16;  // tokens; below what any prompt has

// Only one of these is in memory at a time when layers are streamed: two layers, the tower, or the head's matrix.
std::int64_t streamed_peak(const ModelBytes& model) {
    std::int64_t peak = std::max({model.vision, model.embedding, model.unembedding});
    for (std::size_t i = 0; i < model.layers.size(); ++i) {
        peak = std::max(peak, model.layers[i] + (i + 1 < model.layers.size() ? model.layers[i + 1] : 0));
    }
    return peak;
}

// A prompt's intermediate results and its attention mask, once in float32 and once in the model's type.
std::int64_t activation_bytes(const ModelBytes& model, std::int64_t tokens) {
    return tokens * model.activation_per_token + tokens * tokens * 8;
}

}  // namespace

std::int64_t ModelBytes::total() const {
    return std::accumulate(layers.begin(), layers.end(), vision + embedding + unembedding);
}

std::string gibibytes_up(std::int64_t bytes) {
    const double gibibytes = std::ceil(static_cast<double>(bytes) / (std::int64_t{1} << 30) * 1000.0) / 1000.0;
    char text[32];
    std::snprintf(text, sizeof text, "%.3f", gibibytes);
    return text;
}

MemoryBudget::MemoryBudget(const ModelBytes& model, std::optional<std::int64_t> limit_bytes) : model_(model), limit_(limit_bytes) {
    if (!limit_) return;
    streams_ = model.total() > *limit_ / 4 * 3;
    working_ = *limit_ - (streams_ ? streamed_peak(model) : model.total());
    if (const auto enough = least(kSmallestPrompt, 0); *limit_ < enough) {
        throw InvalidArgument("the memory limit of " + gibibytes_up(*limit_) + " GiB is too small for this model, of which " +
                              gibibytes_up(streamed_peak(model)) + " GiB must be in memory at once; give at least " +
                              gibibytes_up(enough));
    }
}

std::int64_t MemoryBudget::kv_bytes(std::int64_t wanted) const { return limit_ ? std::min(wanted, working_ / 2) : wanted; }

std::int64_t MemoryBudget::pass_tokens(std::int64_t wanted) const {
    if (!limit_) return wanted;
    return std::clamp<std::int64_t>(working_ / 4 / std::max<std::int64_t>(1, model_.activation_per_token), 1, wanted);
}

std::int64_t MemoryBudget::least(std::int64_t tokens, std::int64_t kv_bytes) const {
    return streamed_peak(model_) + std::max(2 * kv_bytes, 4 * activation_bytes(model_, tokens));
}

void MemoryBudget::check(std::int64_t run, std::int64_t tokens, std::int64_t kv_bytes) const {
    const bool fits = !limit_ || (2 * kv_bytes <= working_ && 4 * activation_bytes(model_, tokens) <= working_);
    if (fits) return;
    throw InvalidArgument("the memory limit of " + gibibytes_up(*limit_) + " GiB is too small for run " + std::to_string(run) +
                          " of the pack with its " + std::to_string(tokens) + " tokens; give at least " +
                          gibibytes_up(std::max(least(tokens, kv_bytes), *limit_ + 1)));
}

}  // namespace modalconflict
