#include <modalconflict/lens/tuned_lens.hpp>

#include <modalconflict/engine/safetensors.hpp>
#include <modalconflict/error.hpp>

#include <string>

namespace modalconflict {
namespace {

WeightType weight_type(const TensorView& tensor, const std::filesystem::path& path) {
    switch (tensor.dtype) {
        case DType::float32: return WeightType::float32;
        case DType::bfloat16: return WeightType::bfloat16;
        case DType::float16: return WeightType::float16;
        default: break;
    }
    throw IoError("'" + path.string() + "' holds " + std::string(name(tensor.dtype)) + "; write the lens in float32, bfloat16 or float16");
}

std::string times(std::int64_t a, std::int64_t b) { return std::to_string(a) + " x " + std::to_string(b); }

}  // namespace

TunedLens TunedLens::load(const std::filesystem::path& path) {
    const SafetensorsFile file(path);
    const TensorView& weight = file.tensor("weight");
    const TensorView& bias = file.tensor("bias");
    if (weight.shape.size() != 3 || weight.shape[1] != weight.shape[2] || bias.shape.size() != 2 ||
        bias.shape[0] != weight.shape[0] || bias.shape[1] != weight.shape[2]) {
        throw IoError("'" + path.string() + "' holds a weight of shape " + shape_text(weight.shape) + " and a bias of shape " +
                      shape_text(bias.shape) + " instead of [layers, d, d] and [layers, d]; write the lens again");
    }
    TunedLens lens;
    lens.layers = weight.shape[0];
    lens.width = weight.shape[2];
    lens.weight = {weight.data, weight_type(weight, path), lens.layers * lens.width, lens.width};
    lens.bias = {bias.data, weight_type(bias, path), lens.layers * lens.width};
    lens.storage = file.storage();
    return lens;
}

void TunedLens::validate() const {
    if (layers < 1 || width < 1) throw InvalidArgument("tuned lens: it has no layers; pass a lens of at least one");
    if (weight.data == nullptr || weight.rows != layers * width || weight.columns != width) {
        throw InvalidArgument("tuned lens: weight is " + times(weight.rows, weight.columns) + "; pass the " +
                              times(layers * width, width) + " numbers of " + std::to_string(layers) + " layers");
    }
    if (bias.data != nullptr && bias.size != layers * width) {
        throw InvalidArgument("tuned lens: bias has " + std::to_string(bias.size) + " values; pass " +
                              std::to_string(layers * width) + " or none");
    }
}

}  // namespace modalconflict
