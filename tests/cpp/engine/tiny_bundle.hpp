#pragma once

#include <modalconflict/engine/case_pack.hpp>

#include <nlohmann/json.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace modalconflict::testing {

/// A folder of its own for one test, removed at the end.
class TemporaryFolder {
public:
    TemporaryFolder();
    ~TemporaryFolder();
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

inline constexpr std::int64_t kTinyHidden = 8, kTinyLayers = 3, kTinyVocab = 17, kTinyImageToken = 16, kTinyImageRows = 2;

struct TinyOptions {
    unsigned seed = 0;
    std::string mask = "causal";  ///< of every layer
    int poisoned_token = -1;      ///< a token whose embedding is NaN; -1: none
    bool inject = false;          ///< further rows of the vision tower are added behind layers 1 and 2
    std::int64_t layer_width = 4; ///< of the attention's heads; another width makes layers of another model
};

/// Write a random two-headed decoder with a linear vision tower as a bundle: programs scripted, weights apart.
void write_tiny_bundle(const std::filesystem::path& folder, const TinyOptions& options = {});

/// Recompute sizes and checksums after a test has changed a file, then write the description.
void write_description(const std::filesystem::path& folder, nlohmann::json description);
[[nodiscard]] nlohmann::json read_description(const std::filesystem::path& folder);

/// A pack of three runs with image 0, two with image 1 and two of text alone; the images are random.
[[nodiscard]] CasePack tiny_pack();

/// What the tiny model computes for one whole prompt, by plain tensor algebra without a past, a batch or a lens.
struct TinyReference {
    std::vector<std::vector<float>> hidden;  ///< [layers + 1][hidden] at the last position
    std::vector<std::vector<double>> log_probs;  ///< [layers + 1][vocab]
};
[[nodiscard]] TinyReference tiny_reference(const std::filesystem::path& folder, const CasePack& pack, std::int64_t run,
                                           const std::vector<std::int64_t>& appended = {}, std::int64_t window = 0);

}  // namespace modalconflict::testing
