#pragma once

#include <modalconflict/engine/bundle.hpp>
#include <modalconflict/engine/case_pack.hpp>
#include <modalconflict/engine/hook.hpp>
#include <modalconflict/engine/pack_reads.hpp>
#include <modalconflict/lens/tuned_lens.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace modalconflict {

struct LoadOptions {
    bool checksums = true;       ///< see VerifyOptions::checksums
    std::string device = "cpu";  ///< "cpu", "cuda" or "cuda:1"; anything but "cpu" needs a LibTorch built for it
    int threads = 0;             ///< threads of the tensor library, for the whole process; 0: leave them as they are

    /// Most memory for weights, keys and values, and intermediate results together (of the device's, where that is not
    /// the CPU); libraries and the caller's own data come on top. Where the weights take more than three quarters of
    /// it, layers are read from their files one by one, each once for all runs of a pass, the next one while the
    /// present one works.
    std::optional<std::int64_t> memory_limit_bytes = std::nullopt;
};

struct RunOptions {
    int top_k = 5;           ///< best tokens kept a lens row, 1 .. 1000
    int max_new_tokens = 8;  ///< greedy answer length, >= 1
    int batch_size = 64;     ///< most runs in one pass through the layers

    /// Most memory for the attention's keys and values, in bytes: a pass takes fewer runs when they are long.
    std::int64_t kv_memory_bytes = std::int64_t{2} << 30;

    /// Off, every run passes through the layers from its first token (vision features stay shared): the
    /// reference that sharing is held against.
    bool share_prefixes = true;

    /// Stop after this layer (0: after the embedding). Reads then have stop_after_layer + 1 rows and there is
    /// neither an answer nor a last row to compare with.
    std::optional<std::int64_t> stop_after_layer = std::nullopt;

    /// Reads every layer but the last through its translator first; null: the logit lens.
    std::shared_ptr<const TunedLens> tuned = nullptr;

    std::vector<double> renyi_alphas = {};    ///< further indices of the last row, see LensOptions
    std::vector<double> tsallis_orders = {};
};

/// A model loaded from a bundle, ready to run case packs.
///
/// Weights are mapped from the bundle's files and bound to its programs, each layer's once. How runs are batched
/// depends on the pack and the options alone, so the same pack gives the same numbers whenever it is run.
/// One Model runs one pack at a time: calls of run() from several threads take turns.
class Model {
public:
    /// @throws IoError     if a file of the bundle is missing, truncated or altered.
    /// @throws ModelError  if its programs, weights and description do not fit together.
    /// @throws InvalidArgument  if the device is not to be had, or the memory limit is too small for any prompt.
    explicit Model(const std::filesystem::path& bundle, const LoadOptions& options = {});
    ~Model();
    Model(Model&&) noexcept;
    Model& operator=(Model&&) noexcept;
    Model(const Model&) = delete;
    Model& operator=(const Model&) = delete;

    [[nodiscard]] const Bundle& bundle() const;

    /// Run every prompt of the pack: the lens at every layer of the answer position, and the greedy answer.
    ///
    /// @throws InvalidArgument  if the pack does not fit the model or the memory limit, or an option is out of range.
    /// @throws ModelError       if a program fails or memory runs out. Non-finite numbers do not throw: see PackReads::status.
    [[nodiscard]] PackReads run(const CasePack& pack, const RunOptions& options = {}, const std::vector<Hook>& hooks = {}) const;

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace modalconflict
