#pragma once

#include <modalconflict/engine/tensor_view.hpp>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace modalconflict {

/// A group of runs, tokenised: what the engine needs of prompts and images, and nothing else.
///
/// n runs, m images. All runs' token ids stand one after the other in `ids`.
struct CasePack {
    std::vector<std::int64_t> ids;          ///< [total]
    std::vector<std::int64_t> offsets;      ///< [n + 1]; run i has ids[offsets[i]] .. ids[offsets[i + 1] - 1]
    std::vector<std::int64_t> positions;    ///< [position_dims, total], rotary positions over the whole prompt
    int position_dims = 1;                  ///< 1, or 3 for multimodal rotary positions
    std::vector<std::int64_t> image_index;  ///< [n], which image the run shows; -1: none

    /// Token ids whose logits are summed (as probabilities) for each of a run's two answers: row 2i of the
    /// offsets is the answer by the text, row 2i + 1 the answer by the image. May be empty.
    std::vector<std::int64_t> candidates;
    std::vector<std::int64_t> candidate_offsets;  ///< [2n + 1], or empty: no candidates at all

    /// Inputs of the vision tower, by "NAME.IMAGE" ("pixel_values.0"), as the bundle's vision.inputs name them.
    std::map<std::string, TensorView> image_tensors;

    /// Bundle::preparation_sha256 of the bundle the pack was made for; empty: not known, and not checked.
    std::string preparation_sha256;

    /// Keeps the memory behind image_tensors alive; empty when the caller does.
    std::shared_ptr<const void> storage;

    [[nodiscard]] std::int64_t runs() const { return static_cast<std::int64_t>(image_index.size()); }
    [[nodiscard]] std::span<const std::int64_t> run_ids(std::int64_t run) const;

    /// Variant token ids of a run's answer; which is 0 for the text's and 1 for the image's.
    [[nodiscard]] std::span<const std::int64_t> run_candidates(std::int64_t run, int which) const;

    /// Read a pack that `modalconflict prepare` wrote. Image tensors stay mapped from the file.
    /// @throws IoError          if the file is missing, malformed or lacks a tensor.
    /// @throws InvalidArgument  if its lengths disagree; see validate().
    [[nodiscard]] static CasePack load(const std::filesystem::path& path);

    /// The same pack from tensors in memory, under the names that a pack file uses.
    static CasePack from_tensors(const std::map<std::string, TensorView>& tensors, const std::string& where = "pack");

    /// Write the pack as a safetensors file.
    void save(const std::filesystem::path& path) const;

    /// @throws InvalidArgument  naming the array and the run whose lengths or indices do not fit together.
    void validate() const;
};

}  // namespace modalconflict
