#include <modalconflict/engine/bundle.hpp>

#include "engine/json_field.hpp"
#include "engine/parse_json.hpp"

#include <modalconflict/engine/sha256.hpp>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace modalconflict {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kMaxDescriptionBytes = std::uintmax_t{64} << 20U;
constexpr std::int64_t kMaxExtent = std::int64_t{1} << 24;
constexpr std::int64_t kMaxLayers = 4096;
constexpr std::size_t kMaxItems = std::size_t{1} << 16U;

// A path of a bundle stays in the bundle: relative, plain components, no way up.
std::string checked_path(const JsonField& field, const std::string& path) {
    const fs::path parsed(path);
    const bool plain = !path.empty() && path.size() < 1024 && parsed.is_relative() &&
                       path.find('\\') == std::string::npos && path.find('\0') == std::string::npos &&
                       std::none_of(parsed.begin(), parsed.end(),
                                    [](const fs::path& part) { return part == ".." || part == "." || part.empty(); });
    if (!plain) field.fail("a relative path inside the bundle");
    return path;
}

BundlePart read_part(const JsonField& field, const Bundle& bundle) {
    BundlePart part{field.at("program").text(), field.at("prefix").text()};
    if (!bundle.programs.contains(part.program)) field.at("program").fail("one of the bundle's programs");
    return part;
}

BundleSizes read_sizes(const JsonField& field) {
    const auto extent = [&](const char* key) { return field.at(key).integer(1, kMaxExtent); };
    BundleSizes sizes;
    sizes.hidden = extent("hidden");
    sizes.layers = field.at("layers").integer(1, kMaxLayers);
    sizes.vocab = extent("vocab");
    sizes.heads = extent("heads");
    sizes.kv_heads = extent("kv_heads");
    sizes.head_dim = extent("head_dim");
    sizes.max_positions = field.at("max_positions").integer(1, std::int64_t{1} << 40);
    return sizes;
}

std::string read_file_name(const JsonField& field, const Bundle& bundle) {
    std::string path = checked_path(field, field.text());
    if (!bundle.files.contains(path)) field.fail("a file that 'files' lists");
    return path;
}

std::map<std::string, BundleFile> read_files(const JsonField& field) {
    std::map<std::string, BundleFile> files;
    for (const auto& [path, entry] : field.members()) {
        checked_path(entry, path);
        BundleFile file{entry.at("sha256").text(), static_cast<std::uint64_t>(entry.at("size").integer(0, INT64_MAX))};
        if (file.sha256.size() != 64 || file.sha256.find_first_not_of("0123456789abcdef") != std::string::npos) {
            entry.at("sha256").fail("64 lower-case hexadecimal digits");
        }
        files.emplace(path, std::move(file));
    }
    return files;
}

BundleLayer read_layer(const JsonField& field, const Bundle& bundle) {
    BundleLayer layer;
    layer.part = read_part(field, bundle);
    layer.rope = field.at("rope").text();
    if (!bundle.ropes.contains(layer.rope)) field.at("rope").fail("one of the bundle's ropes");
    const std::string mask = field.at("mask").text();
    if (mask == "causal") {
        layer.mask = MaskKind::causal;
    } else if (mask == "sliding") {
        layer.mask = MaskKind::sliding;
    } else if (mask == "causal_bidirectional_image") {
        layer.mask = MaskKind::causal_bidirectional_image;
    } else if (mask == "sliding_bidirectional_image") {
        layer.mask = MaskKind::sliding_bidirectional_image;
    } else {
        field.at("mask").fail("'causal', 'sliding', 'causal_bidirectional_image' or 'sliding_bidirectional_image'");
    }
    if (slides(layer.mask)) layer.window = field.at("window").integer(1, std::int64_t{1} << 40);
    return layer;
}

BundleRuntime read_runtime(const JsonField& field, const std::string& file) {
    const auto runtime = field.text();
    if (runtime == "torchscript") return BundleRuntime::torchscript;
    if (runtime == "aoti") return BundleRuntime::aoti;
    throw ModelError("'" + file + "' is for the runtime '" + runtime +
                     "', this version runs 'torchscript' and 'aoti'; export the model again with one of them");
}

BundleUnembed read_unembed(const JsonField& field) {
    const JsonField norm = field.at("norm");
    BundleUnembed unembed;
    unembed.norm_kind = norm.at("kind").text();
    if (unembed.norm_kind != "rms" && unembed.norm_kind != "layer") norm.at("kind").fail("'rms' or 'layer'");
    unembed.norm_weight = norm.at("weight").text();
    unembed.norm_bias = norm.optional_text("bias");
    unembed.norm_eps = norm.at("eps").positive();
    if (norm.has("offset")) unembed.norm_offset = norm.at("offset").number();
    unembed.weight = field.at("weight").text();
    unembed.bias = field.optional_text("bias");
    if (field.has("scale")) unembed.scale = field.at("scale").number();
    if (field.has("softcap")) unembed.softcap = field.at("softcap").positive();
    return unembed;
}

void read_vision(const JsonField& root, Bundle& bundle) {
    bundle.image_token_id = root.has("image_token_id") ? root.at("image_token_id").integer(0, kMaxExtent) : -1;
    if (root.has("vision")) {
        const JsonField field = root.at("vision");
        BundleVision vision{read_part(field, bundle), {}};
        for (const auto& input : field.at("inputs").items(64)) vision.inputs.push_back(input.text());
        if (vision.inputs.empty()) field.at("inputs").fail("a list of at least one name");
        if (bundle.image_token_id < 0) root.at("vision").fail("null, for a model without image_token_id");
        bundle.vision = std::move(vision);
    }
    if (root.has("projector")) bundle.projector = read_part(root.at("projector"), bundle);
    if (!root.has("inject")) return;
    for (const auto& field : root.at("inject").items(kMaxLayers)) {
        if (!bundle.vision) root.at("inject").fail("empty, for a model without a vision tower");
        bundle.inject.push_back({field.at("layer").integer(1, bundle.sizes.layers), field.at("output").integer(1, kMaxLayers)});
    }
}

void refuse_what_cannot_run(const Bundle& bundle, const std::string& file) {
    int dims = 0;
    for (const auto& [name, rope] : bundle.ropes) {
        if (dims != 0 && rope.position_dims != dims) {
            throw ModelError("'" + file + "' mixes rotary tables of 1 and of 3 position rows, which this version of "
                             "modalconflict cannot; use a newer version");
        }
        dims = rope.position_dims;
    }
}

std::string preparation_sha256(const Bundle& bundle) {
    std::string text;
    for (const auto& [name, file] : bundle.files) {
        if (name.starts_with("processor/")) text += name + " " + file.sha256 + "\n";
    }
    text += "image token " + (bundle.image_token_id < 0 ? "None" : std::to_string(bundle.image_token_id)) + "\n";
    return sha256_hex(std::as_bytes(std::span(text)));
}

}  // namespace

Bundle read_bundle(const fs::path& folder) {
    const fs::path path = folder / "bundle.json";
    std::error_code failure;
    if (!fs::is_directory(folder, failure)) {
        throw IoError("'" + folder.string() + "' is no folder; name the folder that `modalconflict export` wrote");
    }
    if (!fs::is_regular_file(path, failure)) {
        throw IoError("'" + folder.string() + "' holds no bundle.json; export the model again");
    }
    if (fs::file_size(path, failure) > kMaxDescriptionBytes) {
        throw IoError("'" + path.string() + "' is too large for a bundle's description; export the model again");
    }
    std::ifstream stream(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
    if (!stream) throw IoError("cannot read '" + path.string() + "'; check that it is readable");
    const auto document = parse_json(text);
    if (!document) {
        throw IoError("'" + path.string() + "' is no valid JSON (truncated?) or nested without need; export the model again");
    }

    const JsonField root(*document, path.string());
    if (root.at("format").text() != "modalconflict-bundle") root.at("format").fail("'modalconflict-bundle'");
    if (const auto version = root.at("format_version").integer(1, 1'000'000); version > kBundleFormatVersion) {
        throw IoError("'" + path.string() + "' has format version " + std::to_string(version) + ", this library reads " +
                      std::to_string(kBundleFormatVersion) + "; export the model again or use a newer modalconflict");
    }

    Bundle bundle;
    bundle.folder = folder;
    bundle.sha256 = sha256_hex(std::as_bytes(std::span(text)));
    bundle.family = root.at("family").text();
    bundle.source = root.at("source").text();
    bundle.files = read_files(root.at("files"));
    const std::string dtype = root.at("dtype").text();
    if (dtype != "float32" && dtype != "bfloat16" && dtype != "float16") {
        root.at("dtype").fail("'float32', 'bfloat16' or 'float16'");
    }
    bundle.dtype = dtype_from_name(dtype);
    bundle.runtime = read_runtime(root.at("runtime"), path.string());
    if (root.has("versions")) {
        for (const auto& [name, version] : root.at("versions").members()) bundle.versions[name] = version.text();
    }
    bundle.sizes = read_sizes(root.at("sizes"));
    for (const auto& id : root.at("stop_token_ids").items(kMaxItems)) {
        bundle.stop_token_ids.push_back(id.integer(0, bundle.sizes.vocab - 1));
    }
    for (const auto& file : root.at("weights").items(kMaxItems)) bundle.weights.push_back(read_file_name(file, bundle));
    if (bundle.weights.empty()) root.at("weights").fail("a list of at least one file");
    for (const auto& [name, program] : root.at("programs").members()) {
        bundle.programs[name] = read_file_name(program.at("file"), bundle);
    }
    const JsonField embed = root.at("embed");
    bundle.embed_weight = embed.at("weight").text();
    if (embed.has("scale")) bundle.embed_scale = embed.at("scale").number();
    for (const auto& [name, rope] : root.at("ropes").members()) {
        const auto dims = static_cast<int>(rope.at("position_dims").integer(1, 3));
        if (dims == 2) rope.at("position_dims").fail("1 or 3");
        bundle.ropes[name] = {read_part(rope, bundle), dims};
    }
    for (const auto& layer : root.at("layers").items(kMaxLayers)) bundle.layers.push_back(read_layer(layer, bundle));
    if (static_cast<std::int64_t>(bundle.layers.size()) != bundle.sizes.layers) {
        root.at("layers").fail("a list of sizes.layers = " + std::to_string(bundle.sizes.layers) + " entries");
    }
    read_vision(root, bundle);
    bundle.preparation_sha256 = preparation_sha256(bundle);
    bundle.unembed = read_unembed(root.at("unembed"));
    refuse_what_cannot_run(bundle, path.string());
    return bundle;
}

void verify_bundle(const Bundle& bundle, const VerifyOptions& options) {
    const fs::path root = fs::weakly_canonical(bundle.folder);
    for (const auto& [name, expected] : bundle.files) {
        const fs::path path = bundle.folder / name;
        const auto complain = [&, &file = name](const std::string& what) {
            throw IoError("bundle '" + bundle.folder.string() + "': file '" + file + "' " + what + "; export the model again");
        };
        std::error_code failure;
        if (!fs::is_regular_file(path, failure)) complain("is missing");
        const fs::path real = fs::weakly_canonical(path, failure);
        if (failure || std::mismatch(root.begin(), root.end(), real.begin(), real.end()).first != root.end()) {
            complain("leads out of the bundle's folder");
        }
        const auto size = fs::file_size(path, failure);
        if (failure || size != expected.size) {
            complain("has " + std::to_string(size) + " bytes instead of " + std::to_string(expected.size) +
                     (size < expected.size ? " (truncated)" : " (altered)"));
        }
        if (options.checksums && sha256_file(path) != expected.sha256) {
            complain("differs from its SHA-256 in bundle.json (altered)");
        }
    }
}

}  // namespace modalconflict
