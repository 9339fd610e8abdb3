#include <modalconflict/lens/tuned_lens.hpp>

#include "lens/final_norm.hpp"
#include "lens/lanes.hpp"
#include "lens/row_buffer.hpp"
#include "lens/tile_gemm.hpp"

#include <modalconflict/error.hpp>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>
#include <vector>

namespace modalconflict {
namespace {

constexpr std::int64_t kTile = 256;

}  // namespace

void translate(const TunedLens& lens, std::int64_t layer, float* hidden, std::int64_t count, std::int64_t stride, int threads) {
    lens.validate();
    if (layer < 0 || layer >= lens.layers) {
        throw InvalidArgument("tuned lens: layer is " + std::to_string(layer) + "; pass 0 to " + std::to_string(lens.layers - 1));
    }
    if (count == 0) return;
    const std::int64_t width = lens.width;
    const auto floats = [](std::int64_t n) { return static_cast<std::size_t>(n); };
    lens::RowBuffer states(floats(count * width));
    for (std::int64_t i = 0; i < count; ++i) {
        std::memcpy(states.data() + i * width, hidden + i * stride, floats(width) * sizeof(float));
    }
    const std::int64_t bytes = lens.weight.type == WeightType::float32 ? 4 : 2;
    const auto at = [&](const void* data, std::int64_t element_bytes, std::int64_t element) {
        return static_cast<const void*>(static_cast<const char*>(data) + element * element_bytes);
    };
    const MatrixView matrix{at(lens.weight.data, bytes, layer * width * width), lens.weight.type, width, width};
    std::vector<float> bias(floats(width), 0.0F);
    if (lens.bias.data != nullptr) {
        const std::int64_t bias_bytes = lens.bias.type == WeightType::float32 ? 4 : 2;
        bias = lens::widened({at(lens.bias.data, bias_bytes, layer * width), lens.bias.type, width});
    }
    const lens::PackedRows packed(states.data(), count, width, matrix.type);
    const auto tiles = (width + kTile - 1) / kTile;
    const int lanes = static_cast<int>(std::min<std::int64_t>(lens::lane_count(threads), tiles));
    std::atomic<std::int64_t> next{0};
    lens::run_lanes(lanes, [&](int) {
        lens::TileGemm product(packed, matrix, kTile);
        lens::RowBuffer moved(floats(count * kTile));
        for (std::int64_t tile = next++; tile < tiles; tile = next++) {
            const std::int64_t first = tile * kTile;
            const std::int64_t here = std::min(kTile, width - first);
            product.logits(first, here, moved.data(), kTile);
            // Each tile's dimensions are written by one lane, and the product reads its own copy of the states.
            for (std::int64_t i = 0; i < count; ++i) {
                float* state = hidden + i * stride + first;
                for (std::int64_t k = 0; k < here; ++k) state[k] += moved.data()[i * kTile + k] + bias[floats(first + k)];
            }
        }
    });
}

}  // namespace modalconflict
