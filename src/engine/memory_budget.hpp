#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace modalconflict {

/// What a model's parts take, in bytes.
struct ModelBytes {
    std::vector<std::int64_t> layers;
    std::int64_t vision = 0;       ///< tower and projector
    std::int64_t embedding = 0;
    std::int64_t unembedding = 0;  ///< 0 where it is the embedding's own matrix

    /// Of one token's intermediate results within a layer, all counted as if they were alive at once.
    std::int64_t activation_per_token = 0;

    [[nodiscard]] std::int64_t total() const;
};

/// How a memory limit is divided. A function of the model and the limit alone, never of the machine: batches depend
/// on it, and the same study must run in the same batches everywhere.
class MemoryBudget {
public:
    /// @param limit_bytes  For weights, keys and values, and intermediate results together; none: no limit.
    /// @throws InvalidArgument  if no prompt at all would fit; the message says the limit that would do.
    MemoryBudget(const ModelBytes& model, std::optional<std::int64_t> limit_bytes);

    [[nodiscard]] bool limited() const { return limit_.has_value(); }

    /// Whether layers are read from their files one by one, because the weights take more than three quarters of the limit.
    [[nodiscard]] bool streams() const { return streams_; }

    /// For keys and values: half of what the weights leave, `wanted` at most.
    [[nodiscard]] std::int64_t kv_bytes(std::int64_t wanted) const;

    /// Tokens a pass may hold, so that its intermediate results stay within a quarter of what the weights leave.
    [[nodiscard]] std::int64_t pass_tokens(std::int64_t wanted) const;

    /// The smallest limit, streaming, at which a prompt can be run.
    ///
    /// @param tokens    The longest prompt's.
    /// @param kv_bytes  Its keys and values, its answer's included.
    [[nodiscard]] std::int64_t least(std::int64_t tokens, std::int64_t kv_bytes) const;

    /// @throws InvalidArgument  if the limit is below least(); the message names the run and the limit that would do.
    void check(std::int64_t run, std::int64_t tokens, std::int64_t kv_bytes) const;

private:
    ModelBytes model_;
    std::optional<std::int64_t> limit_;
    bool streams_ = false;
    std::int64_t working_ = 0;  // what the weights leave
};

/// "1.50", in GiB, rounded up so that the number, given back as a limit, suffices.
[[nodiscard]] std::string gibibytes_up(std::int64_t bytes);

}  // namespace modalconflict
