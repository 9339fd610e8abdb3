#include "engine/tiny_bundle.hpp"

#include <modalconflict/engine/safetensors.hpp>
#include <modalconflict/engine/sha256.hpp>

#include <ATen/ATen.h>
#include <torch/csrc/jit/api/module.h>

#include <stdlib.h>

#include <fstream>
#include <limits>
#include <numeric>

namespace modalconflict::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::int64_t kHeads = 2, kHeadDim = 4, kFeature = 5;

constexpr const char* kLayer = R"(
def forward(self, h, cos, sin, mask, past_k, past_v):
    B = h.size(0)
    S = h.size(1)
    q = torch.matmul(h, self.wq).reshape(B, S, 2, -1).transpose(1, 2) + cos.unsqueeze(1)
    k = torch.matmul(h, self.wk).reshape(B, S, 2, -1).transpose(1, 2) + sin.unsqueeze(1)
    v = torch.matmul(h, self.wv).reshape(B, S, 2, -1).transpose(1, 2)
    k = torch.cat([past_k, k], 2)
    v = torch.cat([past_v, v], 2)
    p = torch.softmax(torch.matmul(q, k.transpose(2, 3)) + mask, -1)
    o = torch.matmul(p, v).transpose(1, 2).reshape(B, S, -1)
    return (h + torch.matmul(o, self.wo), k, v)
)";
constexpr const char* kRotary = R"(
def forward(self, position_ids):
    angle = position_ids.unsqueeze(-1) * self.inv_freq
    return (torch.cos(angle), torch.sin(angle))
)";
constexpr const char* kVision = R"(
def forward(self, pixel_values):
    return torch.matmul(pixel_values.reshape(pixel_values.size(0), 2, 6), self.w)
)";
constexpr const char* kVisionThatInjects = R"(
def forward(self, pixel_values):
    patches = pixel_values.reshape(pixel_values.size(0), 2, 6)
    return (torch.matmul(patches, self.w), torch.matmul(patches, self.first), torch.matmul(patches, self.second))
)";
constexpr const char* kProjector = R"(
def forward(self, features):
    return torch.tanh(torch.matmul(features, self.w))
)";

// The program alone: its weights are placeholders of stride 0, as in an exported bundle.
void save_program(const fs::path& path, const char* source,
                  const std::vector<std::pair<std::string, std::vector<std::int64_t>>>& parameters, bool buffers = false) {
    torch::jit::Module module("Program");
    for (const auto& [name, shape] : parameters) {
        module.register_parameter(name, at::zeros({1}).expand(shape), buffers);
    }
    module.define(source);
    module.save(path.string());
}

std::map<std::string, at::Tensor> tiny_weights(const TinyOptions& options) {
    at::manual_seed(options.seed);
    std::map<std::string, at::Tensor> all;
    const auto inner = kHeads * options.layer_width;
    all["embed.weight"] = at::randn({kTinyVocab, kTinyHidden});
    if (options.poisoned_token >= 0) all["embed.weight"][options.poisoned_token][0] = std::numeric_limits<float>::quiet_NaN();
    for (std::int64_t layer = 0; layer < kTinyLayers; ++layer) {
        const std::string prefix = "layers." + std::to_string(layer) + ".";
        for (const char* name : {"wq", "wk", "wv"}) all[prefix + name] = at::randn({kTinyHidden, inner}) / 4;
        all[prefix + "wo"] = at::randn({inner, kTinyHidden}) / 4;
    }
    all["rotary.inv_freq"] = at::pow(10.0, -at::arange(options.layer_width) / 4.0).to(at::kFloat);
    all["vision.w"] = at::randn({6, kFeature});
    if (options.inject) {
        for (const char* name : {"vision.first", "vision.second"}) all[name] = at::randn({6, kTinyHidden});
    }
    all["projector.w"] = at::randn({kFeature, kTinyHidden});
    all["norm.weight"] = 1 + at::randn({kTinyHidden}) / 4;
    all["lm_head.weight"] = at::randn({kTinyVocab, kTinyHidden});
    return all;
}

at::Tensor as_tensor(const TensorView& view) {
    return at::from_blob(const_cast<void*>(view.data), view.shape,
                         view.dtype == DType::int64 ? at::kLong : at::kFloat).clone();
}

}  // namespace

TemporaryFolder::TemporaryFolder() {
    std::string pattern = (fs::temp_directory_path() / "modalconflict-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

json read_description(const fs::path& folder) {
    std::ifstream stream(folder / "bundle.json");
    return json::parse(stream);
}

void write_description(const fs::path& folder, json description) {
    description["files"] = json::object();
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
        const std::string name = fs::relative(entry.path(), folder).string();
        if (!entry.is_regular_file() || name == "bundle.json") continue;
        description["files"][name] = {{"sha256", sha256_file(entry.path())}, {"size", fs::file_size(entry.path())}};
    }
    std::ofstream(folder / "bundle.json") << description.dump(1);
}

void write_tiny_bundle(const fs::path& folder, const TinyOptions& options) {
    fs::create_directories(folder / "programs");
    const std::vector<std::int64_t> in{kTinyHidden, kHeads * kHeadDim}, out{kHeads * kHeadDim, kTinyHidden};
    save_program(folder / "programs/layer.pt", kLayer, {{"wq", in}, {"wk", in}, {"wv", in}, {"wo", out}});
    save_program(folder / "programs/rotary.pt", kRotary, {{"inv_freq", {kHeadDim}}}, true);
    if (options.inject) {
        save_program(folder / "programs/vision.pt", kVisionThatInjects,
                     {{"w", {6, kFeature}}, {"first", {6, kTinyHidden}}, {"second", {6, kTinyHidden}}});
    } else {
        save_program(folder / "programs/vision.pt", kVision, {{"w", {6, kFeature}}});
    }
    save_program(folder / "programs/projector.pt", kProjector, {{"w", {kFeature, kTinyHidden}}});

    const auto weights = tiny_weights(options);
    std::map<std::string, TensorView> views;
    for (const auto& [name, tensor] : weights) views[name] = {tensor.const_data_ptr(), DType::float32, tensor.sizes().vec()};
    write_safetensors(folder / "weights.safetensors", views);

    json layers = json::array();
    for (std::int64_t layer = 0; layer < kTinyLayers; ++layer) {
        layers.push_back({{"program", "layer"}, {"prefix", "layers." + std::to_string(layer) + "."}, {"rope", "default"},
                          {"mask", options.mask}});
        if (options.mask == "sliding") layers.back()["window"] = 3;
    }
    const auto program = [](const char* name) { return json{{"file", std::string("programs/") + name + ".pt"}}; };
    write_description(folder, {
        {"format", "modalconflict-bundle"}, {"format_version", 1}, {"family", "tiny"}, {"source", "random"},
        {"dtype", "float32"}, {"runtime", "torchscript"}, {"versions", {{"torch", "test"}}},
        {"sizes", {{"hidden", kTinyHidden}, {"layers", kTinyLayers}, {"vocab", kTinyVocab}, {"heads", kHeads},
                   {"kv_heads", kHeads}, {"head_dim", kHeadDim}, {"max_positions", 64}}},
        {"image_token_id", kTinyImageToken}, {"stop_token_ids", {2}}, {"weights", {"weights.safetensors"}},
        {"programs", {{"layer", program("layer")}, {"rotary", program("rotary")}, {"vision", program("vision")},
                      {"projector", program("projector")}}},
        {"embed", {{"weight", "embed.weight"}, {"scale", 1.0}}},
        {"ropes", {{"default", {{"program", "rotary"}, {"prefix", "rotary."}, {"position_dims", 1}}}}},
        {"layers", layers},
        {"inject", options.inject ? json{{{"layer", 1}, {"output", 2}}, {{"layer", 2}, {"output", 1}}} : json::array()},
        {"vision", {{"program", "vision"}, {"prefix", "vision."}, {"inputs", {"pixel_values"}}}},
        {"projector", {{"program", "projector"}, {"prefix", "projector."}}},
        {"unembed", {{"norm", {{"kind", "rms"}, {"weight", "norm.weight"}, {"bias", nullptr}, {"eps", 1e-5}, {"offset", 0.0}}},
                     {"weight", "lm_head.weight"}, {"bias", nullptr}, {"scale", 1.0}, {"softcap", nullptr}}},
    });
}

CasePack tiny_pack() {
    constexpr std::int64_t I = kTinyImageToken;
    const std::vector<std::pair<std::int64_t, std::vector<std::int64_t>>> runs = {
        {0, {1, I, I, 5, 6, 7}}, {0, {1, I, I, 5, 9, 10, 11, 7}}, {0, {1, I, I, 5, 9, 12, 7}},
        {1, {1, I, I, 5, 6, 7}}, {1, {1, I, I, 5, 9, 10, 11, 7}}, {-1, {1, 9, 10, 11, 7}}, {-1, {1, 9, 12, 7, 7, 3}}};
    CasePack pack;
    pack.offsets = {0};
    pack.candidate_offsets = {0};
    for (const auto& [image, ids] : runs) {
        pack.ids.insert(pack.ids.end(), ids.begin(), ids.end());
        for (std::size_t i = 0; i < ids.size(); ++i) pack.positions.push_back(static_cast<std::int64_t>(i));
        pack.offsets.push_back(static_cast<std::int64_t>(pack.ids.size()));
        pack.image_index.push_back(image);
        pack.candidates.insert(pack.candidates.end(), {3, 4});
        pack.candidate_offsets.push_back(static_cast<std::int64_t>(pack.candidates.size()));
        if (image >= 0) pack.candidates.push_back(8);
        pack.candidate_offsets.push_back(static_cast<std::int64_t>(pack.candidates.size()));
    }
    at::manual_seed(99);
    const auto pixels = std::make_shared<std::vector<at::Tensor>>();
    for (int image = 0; image < 2; ++image) {
        pixels->push_back(at::randn({1, 3, 2, 2}));
        pack.image_tensors["pixel_values." + std::to_string(image)] = {pixels->back().const_data_ptr(), DType::float32, {1, 3, 2, 2}};
    }
    pack.storage = pixels;
    return pack;
}

TinyReference tiny_reference(const fs::path& folder, const CasePack& pack, std::int64_t run,
                             const std::vector<std::int64_t>& appended, std::int64_t window) {
    const SafetensorsFile file(folder / "weights.safetensors");
    const auto weight = [&](const std::string& name) { return as_tensor(file.tensor(name)); };
    const auto prompt = pack.run_ids(run);
    std::vector<std::int64_t> ids(prompt.begin(), prompt.end());
    ids.insert(ids.end(), appended.begin(), appended.end());
    const auto length = static_cast<std::int64_t>(ids.size());
    at::Tensor h = weight("embed.weight").index_select(0, at::tensor(ids, at::kLong));
    const auto image = pack.image_index[static_cast<std::size_t>(run)];
    // Only the prompt's: a generated image token is a token like any other.
    const auto image_places = at::nonzero(at::tensor(prompt, at::kLong) == kTinyImageToken).squeeze(1);
    if (image >= 0) {
        const auto pixels = as_tensor(pack.image_tensors.at("pixel_values." + std::to_string(image)));
        const auto rows = at::tanh(at::matmul(at::matmul(pixels.reshape({2, 6}), weight("vision.w")), weight("projector.w")));
        h.index_copy_(0, image_places, rows);
    }
    const auto angle = at::arange(length).unsqueeze(1) * weight("rotary.inv_freq");
    auto hidden_keys = at::triu(at::ones({length, length}), 1) > 0;
    if (window > 0) hidden_keys = hidden_keys | (at::tril(at::ones({length, length}), -window) > 0);
    TinyReference reference;
    const auto note = [&] {
        const auto last = h[length - 1];
        reference.hidden.emplace_back(last.const_data_ptr<float>(), last.const_data_ptr<float>() + kTinyHidden);
        const auto normed = last * at::rsqrt(last.pow(2).mean() + 1e-5) * weight("norm.weight");
        const auto logits = at::matmul(weight("lm_head.weight"), normed).to(at::kDouble).log_softmax(0);
        reference.log_probs.emplace_back(logits.const_data_ptr<double>(), logits.const_data_ptr<double>() + kTinyVocab);
    };
    note();
    for (std::int64_t layer = 0; layer < kTinyLayers; ++layer) {
        const std::string prefix = "layers." + std::to_string(layer) + ".";
        std::vector<at::Tensor> heads;
        for (std::int64_t head = 0; head < kHeads; ++head) {
            const auto part = [&](const char* name) {
                return at::matmul(h, weight(prefix + name)).narrow(1, head * kHeadDim, kHeadDim);
            };
            const auto scores = at::matmul(part("wq") + at::cos(angle), (part("wk") + at::sin(angle)).t());
            const auto p = scores.masked_fill(hidden_keys, -std::numeric_limits<double>::infinity()).softmax(-1);
            heads.push_back(at::matmul(p, part("wv")));
        }
        h = h + at::matmul(at::cat(heads, 1), weight(prefix + "wo"));
        if (image >= 0 && layer < 2 && file.tensors().contains("vision.first")) {
            const auto pixels = as_tensor(pack.image_tensors.at("pixel_values." + std::to_string(image)));
            h.index_add_(0, image_places, at::matmul(pixels.reshape({2, 6}), weight(layer == 0 ? "vision.second" : "vision.first")));
        }
        note();
    }
    return reference;
}

}  // namespace modalconflict::testing
