#include "engine/decoder.hpp"

#include <modalconflict/error.hpp>

#include <algorithm>
#include <limits>
#include <tuple>

namespace modalconflict {
namespace {

std::string image_input(const std::string& input, std::int64_t image) { return input + "." + std::to_string(image); }

const TensorView& image_tensor(const CasePack& pack, const std::string& input, std::int64_t image) {
    const auto found = pack.image_tensors.find(image_input(input, image));
    if (found == pack.image_tensors.end()) {
        throw InvalidArgument("pack lacks the tensor '" + image_input(input, image) + "', which the model's vision tower "
                              "takes; prepare it again with this model's bundle");
    }
    return found->second;
}

double lowest(at::ScalarType type) {
    if (type == at::kHalf) return -65504.0;
    if (type == at::kBFloat16) return -3.3895313892515355e38;
    return static_cast<double>(std::numeric_limits<float>::lowest());
}

void expect_shape(const at::Tensor& tensor, std::vector<std::int64_t> wanted, const std::string& what) {
    if (tensor.sizes() != at::IntArrayRef(wanted)) {
        throw ModelError(what + " has shape " + shape_text(tensor.sizes()) + " instead of " + shape_text(wanted) +
                         ": a file of another model; export the model again");
    }
}

}  // namespace

Decoder::Decoder(const Bundle& bundle, at::Device device, std::optional<std::int64_t> memory_limit_bytes)
    : bundle_(bundle), device_(device), weights_(bundle, device, on_host(memory_limit_bytes)),
      budget_(model_bytes(), memory_limit_bytes), library_(bundle, weights_, device),
      layers_(bundle, weights_, library_, device, budget_.streams()) {
    embed_ = weights_.get(bundle.embed_weight).to(device);
    if (embed_.dim() != 2 || embed_.size(1) != bundle.sizes.hidden) {
        expect_shape(embed_, {bundle.sizes.vocab, bundle.sizes.hidden}, "weight '" + bundle.embed_weight + "'");
    }
    check_unembed(bundle);
    for (const auto& [name, rope] : bundle.ropes) ropes_.emplace(name, library_.bind(rope.part, 1));
    for (const auto& layer : bundle.layers) {
        sees_image_blocks_ = sees_image_blocks_ || bidirectional_in_images(layer.mask);
    }
    if (bundle.vision) vision_ = library_.bind(bundle.vision->part, bundle.vision->inputs.size());
    if (bundle.projector) projector_ = library_.bind(*bundle.projector, 1);
}

// On another device than the CPU: the lens reads on the CPU, and under a limit the layers come one by one.
std::vector<std::string> Decoder::on_host(std::optional<std::int64_t> memory_limit_bytes) const {
    std::vector<std::string> names{bundle_.unembed.weight, bundle_.unembed.norm_weight};
    if (bundle_.unembed.norm_bias) names.push_back(*bundle_.unembed.norm_bias);
    if (bundle_.unembed.bias) names.push_back(*bundle_.unembed.bias);
    if (memory_limit_bytes) {
        for (const auto& layer : bundle_.layers) names.push_back(layer.part.prefix);
    }
    return names;
}

ModelBytes Decoder::model_bytes() const {
    ModelBytes bytes;
    for (const auto& layer : bundle_.layers) {
        bytes.layers.push_back(weights_.bytes(layer.part.prefix));
        // A matrix's rows are the width of what it computes; the rest of a layer (norms, sums, scores) is of the hidden width.
        std::int64_t width = 12 * bundle_.sizes.hidden;
        for (const auto& name : weights_.names(layer.part.prefix)) {
            const auto& weight = weights_.get(name);
            if (weight.dim() == 2) width += std::max(weight.size(0), weight.size(1));
        }
        bytes.activation_per_token =
            std::max(bytes.activation_per_token, width * static_cast<std::int64_t>(item_size(bundle_.dtype)));
    }
    if (bundle_.vision) bytes.vision += weights_.bytes(bundle_.vision->part.prefix);
    if (bundle_.projector) bytes.vision += weights_.bytes(bundle_.projector->prefix);
    bytes.embedding = weights_.bytes(bundle_.embed_weight);
    if (bundle_.unembed.weight != bundle_.embed_weight) bytes.unembedding = weights_.bytes(bundle_.unembed.weight);
    return bytes;
}

void Decoder::release_idle() const {
    if (!budget_.streams()) return;
    std::vector<std::string> idle{bundle_.embed_weight, bundle_.unembed.weight};
    if (bundle_.vision) idle.push_back(bundle_.vision->part.prefix);
    if (bundle_.projector) idle.push_back(bundle_.projector->prefix);
    for (const auto& name : idle) {
        for (const auto& range : weights_.mapped(name)) release_pages(range);
    }
}

void Decoder::check_unembed(const Bundle& bundle) const {
    const auto& unembed = bundle.unembed;
    const auto hidden = bundle.sizes.hidden;
    expect_shape(weights_.get(unembed.weight), {bundle.sizes.vocab, hidden}, "weight '" + unembed.weight + "'");
    expect_shape(weights_.get(unembed.norm_weight), {hidden}, "weight '" + unembed.norm_weight + "'");
    if (unembed.norm_bias) expect_shape(weights_.get(*unembed.norm_bias), {hidden}, "weight '" + *unembed.norm_bias + "'");
    if (unembed.bias) expect_shape(weights_.get(*unembed.bias), {bundle.sizes.vocab}, "weight '" + *unembed.bias + "'");
}

ImageRows Decoder::encode(const CasePack& pack, std::span<const std::int64_t> images) const {
    std::vector<c10::IValue> inputs;
    for (const auto& input : bundle_.vision->inputs) {
        std::vector<at::Tensor> parts;
        for (const auto image : images) parts.push_back(tensor_of(image_tensor(pack, input, image)));
        at::Tensor joined = parts.size() == 1 ? parts.front() : at::cat(parts, 0);
        if (input == "pixel_values") joined = joined.to(scalar_type(bundle_.dtype));
        inputs.emplace_back(joined.to(device_));
    }
    std::size_t outputs = 1;
    for (const auto& injection : bundle_.inject) outputs = std::max(outputs, static_cast<std::size_t>(injection.output) + 1);
    const auto made = vision_(std::move(inputs), outputs);
    const auto as_rows = [&](const at::Tensor& tensor) {
        if (tensor.dim() < 2 || tensor.size(-1) != bundle_.sizes.hidden) {
            throw ModelError("the vision programs returned image features of shape " + shape_text(tensor.sizes()) +
                             " for a model of width " + std::to_string(bundle_.sizes.hidden) + "; export the model again");
        }
        return tensor.contiguous().view({-1, bundle_.sizes.hidden});
    };
    ImageRows rows{as_rows(bundle_.projector ? projector_({made.front()}, 1).front() : made.front()), {}};
    for (const auto& injection : bundle_.inject) {
        rows.injected.push_back(as_rows(made[static_cast<std::size_t>(injection.output)]));
        if (rows.injected.back().size(0) != rows.features.size(0)) {
            throw ModelError("the vision program returned " + std::to_string(rows.injected.back().size(0)) +
                             " rows to add behind layer " + std::to_string(injection.layer) + " for an image of " +
                             std::to_string(rows.features.size(0)) + " tokens; export the model again");
        }
    }
    return rows;
}

std::map<std::int64_t, ImageRows> Decoder::encode_images(const CasePack& pack, std::span<const std::int64_t> images,
                                                         std::int64_t batch_size) const {
    std::map<std::int64_t, ImageRows> encoded;
    if (images.empty()) return encoded;
    if (!bundle_.vision) {
        throw InvalidArgument("pack holds runs with an image, but the bundle '" + bundle_.folder.string() +
                              "' has no vision tower; use a multimodal model's bundle");
    }
    // Images of one shape pass through the tower together, if the tower takes nothing but pixels [tiles, 3, H, W].
    const auto& first_input = bundle_.vision->inputs.front();
    const bool batchable = bundle_.vision->inputs.size() == 1 && bundle_.projector;
    for (std::size_t begin = 0; begin < images.size();) {
        const auto& shape = image_tensor(pack, first_input, images[begin]).shape;
        std::size_t end = begin + 1;
        while (batchable && end < images.size() && static_cast<std::int64_t>(end - begin) < batch_size &&
               image_tensor(pack, first_input, images[end]).shape == shape) {
            ++end;
        }
        const auto group = images.subspan(begin, end - begin);
        const ImageRows rows = encode(pack, group);
        const auto count = static_cast<std::int64_t>(group.size());
        const auto total = rows.features.size(0);
        if (total % count != 0) {
            throw ModelError("the vision programs returned " + std::to_string(total) + " rows for " +
                             std::to_string(count) + " images; export the model again");
        }
        for (std::int64_t i = 0; i < count; ++i) {
            const auto own = [&](const at::Tensor& all) { return all.narrow(0, i * (total / count), total / count); };
            ImageRows& image = encoded[group[static_cast<std::size_t>(i)]];
            image.features = own(rows.features);
            for (const auto& injected : rows.injected) image.injected.push_back(own(injected));
        }
        begin = end;
    }
    return encoded;
}

at::Tensor Decoder::embed(std::vector<std::int64_t> ids, std::int64_t rows) const {
    const auto count = static_cast<std::int64_t>(ids.size());
    const auto index = at::from_blob(ids.data(), {count}, at::kLong).to(device_);
    at::Tensor hidden = embed_.index_select(0, index);
    if (bundle_.embed_scale != 1.0) hidden = hidden * bundle_.embed_scale;
    return hidden.view({rows, count / rows, bundle_.sizes.hidden});
}

at::Tensor Decoder::mask_for(const AttentionLayout& layout, const BundleLayer& layer, std::int64_t rows) const {
    const auto type = scalar_type(bundle_.dtype);
    auto values = attention_mask(layout, layer.mask, layer.window, static_cast<float>(lowest(type)));
    const auto mask = at::from_blob(values.data(), {layout.rows, 1, layout.queries, layout.keys}, at::kFloat)
                          .to(at::TensorOptions().device(device_).dtype(type), false, true);
    return mask.expand({rows, 1, layout.queries, layout.keys});
}

KeyValue Decoder::empty_past(std::int64_t rows) const {
    const auto empty = at::empty({rows, bundle_.sizes.kv_heads, 0, bundle_.sizes.head_dim},
                                 at::TensorOptions().dtype(scalar_type(bundle_.dtype)).device(device_));
    return {empty, empty};
}

namespace {

// Whether a walk ends well or by an exception, its layers rest.
class AtTheEnd {
public:
    explicit AtTheEnd(std::function<void()> action) : action_(std::move(action)) {}
    ~AtTheEnd() { action_(); }
    AtTheEnd(const AtTheEnd&) = delete;
    AtTheEnd& operator=(const AtTheEnd&) = delete;

private:
    std::function<void()> action_;
};

// A pass on its way through the layers.
struct Walker {
    const Pass* pass = nullptr;
    at::Tensor hidden;
    std::map<std::string, std::vector<at::Tensor>> angles;
    std::map<std::pair<MaskKind, std::int64_t>, at::Tensor> masks;
};

}  // namespace

void Decoder::walk(std::span<const Pass> passes) const {
    const AtTheEnd rest([this] { layers_.rest(); });
    std::vector<Walker> walkers;
    for (const auto& pass : passes) {
        Walker walker{&pass, pass.hidden, {}, {}};
        if (pass.observe(0, walker.hidden)) walkers.push_back(std::move(walker));
    }
    for (std::size_t i = 0; i < layers_.size() && !walkers.empty(); ++i) {
        const auto& layer = bundle_.layers[i];
        const Program program = layers_.use(i);
        std::erase_if(walkers, [&](Walker& walker) {
            const auto rows = walker.hidden.size(0);
            auto& angle = walker.angles[layer.rope];
            if (angle.empty()) angle = ropes_.at(layer.rope)({walker.pass->positions}, 2);
            auto& mask = walker.masks[{layer.mask, layer.window}];
            if (!mask.defined()) mask = mask_for(walker.pass->layout, layer, rows);
            const KeyValue past = walker.pass->past(i);
            auto result = program({walker.hidden, angle[0], angle[1], mask, past.keys, past.values}, 3);
            if (result[0].sizes() != walker.hidden.sizes()) {
                throw ModelError("layer " + std::to_string(i + 1) + " returned a hidden state of shape " +
                                 shape_text(result[0].sizes()) + " instead of " + shape_text(walker.hidden.sizes()) +
                                 "; export the model again");
            }
            walker.hidden = std::move(result[0]);
            for (const auto& injection : walker.pass->injections) {
                if (injection.layer != static_cast<std::int64_t>(i) + 1) continue;
                walker.hidden = walker.hidden.reshape({-1, walker.hidden.size(-1)})
                                    .index_add(0, injection.places, injection.rows)
                                    .view_as(walker.hidden);
            }
            if (walker.pass->keep) walker.pass->keep(i, {std::move(result[1]), std::move(result[2])});
            return !walker.pass->observe(static_cast<std::int64_t>(i) + 1, walker.hidden);
        });
    }
}

}  // namespace modalconflict
