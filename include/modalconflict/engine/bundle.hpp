#pragma once

#include <modalconflict/engine/tensor_view.hpp>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace modalconflict {

/// The newest bundle.json format that this library reads.
inline constexpr int kBundleFormatVersion = 1;

/// The language model's extents.
struct BundleSizes {
    std::int64_t hidden = 0;
    std::int64_t layers = 0;
    std::int64_t vocab = 0;
    std::int64_t heads = 0;
    std::int64_t kv_heads = 0;
    std::int64_t head_dim = 0;
    std::int64_t max_positions = 0;
};

/// A program and the tensors bound to it: its parameter or buffer p is the weight named prefix + p.
struct BundlePart {
    std::string program;
    std::string prefix;
};

/// One table of rotary angles: rotary(position_ids) -> cos, sin.
struct BundleRope {
    BundlePart part;
    int position_dims = 1;  ///< 1: [B, S]; 3: [3, B, S], time, height and width of multimodal rotary positions
};

/// Which earlier tokens a layer's attention sees.
enum class MaskKind { causal, sliding, causal_bidirectional_image, sliding_bidirectional_image };

[[nodiscard]] constexpr bool slides(MaskKind kind) {
    return kind == MaskKind::sliding || kind == MaskKind::sliding_bidirectional_image;
}

/// Whether tokens of one unbroken image block see each other, the later ones too.
[[nodiscard]] constexpr bool bidirectional_in_images(MaskKind kind) {
    return kind == MaskKind::causal_bidirectional_image || kind == MaskKind::sliding_bidirectional_image;
}

struct BundleLayer {
    BundlePart part;
    std::string rope;
    MaskKind mask = MaskKind::causal;
    std::int64_t window = 0;  ///< sliding kinds only: a query sees no further back than window - 1 tokens before itself
};

/// The vision tower; each input is the pack's tensor of that name and the image's number ("pixel_values.3").
/// Pixels come in the bundle's dtype, other inputs as the pack holds them.
struct BundleVision {
    BundlePart part;
    std::vector<std::string> inputs;
};

/// Rows of the vision program's outputs added to the states of the image's tokens between two layers (DeepStack).
struct BundleInjection {
    std::int64_t layer = 0;   ///< added behind this layer, the first one being 1
    std::int64_t output = 0;  ///< which output of the vision program, 1 ..; output 0 are the features
};

/// From the last layer's state to the logits: softcap(scale * (weight · norm(h) + bias)).
struct BundleUnembed {
    std::string norm_kind;  ///< "rms" or "layer"
    std::string norm_weight;
    std::optional<std::string> norm_bias;
    double norm_eps = 1e-6;
    double norm_offset = 0.0;  ///< added to the norm's weight (1 for norms stored around zero)
    std::string weight;
    std::optional<std::string> bias;
    double scale = 1.0;
    std::optional<double> softcap;
};

/// What runs the programs.
enum class BundleRuntime { torchscript, aoti };

struct BundleFile {
    std::string sha256;
    std::uint64_t size = 0;
};

/// bundle.json as plain data: everything the engine must know of a model besides its numbers.
struct Bundle {
    std::filesystem::path folder;
    std::string sha256;  ///< of bundle.json itself; it lists every other file's, so it names the whole bundle

    /// What case packs depend on: SHA-256 over the hashes of the processor's files and the image token. Bundles of one
    /// model in several dtypes share it.
    std::string preparation_sha256;

    std::string family;
    std::string source;
    DType dtype = DType::float32;
    BundleRuntime runtime = BundleRuntime::torchscript;
    std::map<std::string, std::string> versions;
    BundleSizes sizes;
    std::int64_t image_token_id = -1;  ///< -1: a model without images
    std::vector<std::int64_t> stop_token_ids;

    std::vector<std::string> weights;
    std::map<std::string, std::string> programs;  ///< name -> file
    std::string embed_weight;
    double embed_scale = 1.0;
    std::map<std::string, BundleRope> ropes;
    std::vector<BundleLayer> layers;
    std::vector<BundleInjection> inject;
    std::optional<BundleVision> vision;
    std::optional<BundlePart> projector;
    BundleUnembed unembed;
    std::map<std::string, BundleFile> files;
};

/// Read and check FOLDER/bundle.json: the kind and range of every field, the format version, and that every
/// name a field speaks of is there. No other file is opened.
///
/// @throws IoError     if bundle.json is missing or no valid description; the message names the field.
/// @throws ModelError  if the bundle is valid but asks for something this version cannot run.
[[nodiscard]] Bundle read_bundle(const std::filesystem::path& folder);

struct VerifyOptions {
    /// Hash every file. Off, only presence and size are held against bundle.json: for a bundle of many gigabytes
    /// that was verified before and that nobody else can write to. A program file is code; see docs/bundle.md.
    bool checksums = true;
};

/// Hold every file of the bundle against the size and SHA-256 in bundle.json, before anything of it is loaded.
/// @throws IoError  naming the first file that is missing, truncated, altered or outside the folder.
void verify_bundle(const Bundle& bundle, const VerifyOptions& options = {});

}  // namespace modalconflict
