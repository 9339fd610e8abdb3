#include "lens/final_norm.hpp"

#include <modalconflict/error.hpp>

#include <bit>
#include <cmath>
#include <cstring>
#include <string>

namespace modalconflict::lens {
namespace {

template <typename T>
T element(const void* data, std::int64_t i) {
    T value;
    std::memcpy(&value, static_cast<const char*>(data) + static_cast<std::size_t>(i) * sizeof(T), sizeof value);
    return value;
}

float from_bfloat16(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

// IEEE 754 binary16. A subnormal is mantissa · 2^−24; a normal number keeps its mantissa and shifts its exponent.
float from_float16(std::uint16_t bits) {
    const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000U) << 16;
    const std::uint32_t exponent = (bits >> 10) & 0x1FU;
    const std::uint32_t mantissa = bits & 0x3FFU;
    if (exponent == 0) {
        const float magnitude = std::ldexp(static_cast<float>(mantissa), -24);
        return sign != 0 ? -magnitude : magnitude;
    }
    const std::uint32_t wide = exponent == 31 ? 255U : exponent + 112U;
    return std::bit_cast<float>(sign | (wide << 23) | (mantissa << 13));
}

void require_size(const VectorView& vector, std::int64_t columns, const std::string& name) {
    if (vector.data != nullptr && vector.size != columns) {
        throw InvalidArgument("unembedding: norm." + name + " has " + std::to_string(vector.size) +
                              " values, the hidden states have " + std::to_string(columns) +
                              "; pass one value a hidden dimension");
    }
}

}  // namespace

std::vector<float> widened(const VectorView& vector) {
    std::vector<float> values;
    if (vector.data == nullptr) return values;
    values.reserve(static_cast<std::size_t>(vector.size));
    for (std::int64_t i = 0; i < vector.size; ++i) {
        switch (vector.type) {
            case WeightType::float32: values.push_back(element<float>(vector.data, i)); break;
            case WeightType::bfloat16: values.push_back(from_bfloat16(element<std::uint16_t>(vector.data, i))); break;
            case WeightType::float16: values.push_back(from_float16(element<std::uint16_t>(vector.data, i))); break;
        }
    }
    return values;
}

RowNorm::RowNorm(const FinalNorm& norm, std::int64_t columns)
    : kind_(norm.kind),
      eps_(norm.eps),
      weight_(static_cast<std::size_t>(columns), 1.0F),
      bias_(static_cast<std::size_t>(columns), 0.0F) {
    if (kind_ == FinalNorm::Kind::none) return;
    require_size(norm.weight, columns, "weight");
    require_size(norm.bias, columns, "bias");
    if (!(eps_ >= 0.0) || std::isinf(eps_)) {
        throw InvalidArgument("unembedding: norm.eps is " + std::to_string(eps_) + "; pass a finite number >= 0");
    }
    if (kind_ == FinalNorm::Kind::rms && norm.bias.data != nullptr) {
        throw InvalidArgument("unembedding: norm.bias is given beside an rms norm, which has none; pass a layer norm");
    }
    if (norm.weight.data == nullptr && norm.offset != 0.0) {
        throw InvalidArgument("unembedding: norm.offset is given without norm.weight; pass the weight or offset 0");
    }
    if (norm.weight.data != nullptr) weight_ = widened(norm.weight);
    for (float& value : weight_) value += static_cast<float>(norm.offset);
    if (norm.bias.data != nullptr) bias_ = widened(norm.bias);
}

void RowNorm::apply(const float* from, float* to) const {
    if (kind_ == FinalNorm::Kind::none) {
        std::memcpy(to, from, weight_.size() * sizeof(float));
        return;
    }
    const auto columns = static_cast<double>(weight_.size());
    double mean = 0.0;
    if (kind_ == FinalNorm::Kind::layer) {
        for (std::size_t i = 0; i < weight_.size(); ++i) mean += from[i];
        mean /= columns;
    }
    double square = 0.0;
    for (std::size_t i = 0; i < weight_.size(); ++i) {
        const double centred = from[i] - mean;
        square += centred * centred;
    }
    const double inverse = 1.0 / std::sqrt(square / columns + eps_);
    for (std::size_t i = 0; i < weight_.size(); ++i) {
        to[i] = static_cast<float>((from[i] - mean) * inverse) * weight_[i] + bias_[i];
    }
}

}  // namespace modalconflict::lens
