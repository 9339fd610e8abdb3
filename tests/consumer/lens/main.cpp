#include <modalconflict/engine/model.hpp>
#include <modalconflict/error.hpp>
#include <modalconflict/lens/lens_kernel.hpp>

#include <cmath>
#include <cstdio>

int main() {
    // Four tokens with equal logits: log 4 nats.
    const float hidden[] = {1.0F, 2.0F};
    const float weights[] = {1.0F, 0.0F, 1.0F, 0.0F, 1.0F, 0.0F, 1.0F, 0.0F};
    modalconflict::Unembedding unembedding;
    unembedding.weight = {weights, modalconflict::WeightType::float32, 4, 2};
    modalconflict::LensRows rows;
    rows.hidden = hidden;
    rows.rows = 1;
    rows.columns = 2;
    const auto reads = modalconflict::read_lens(rows, unembedding, {.top_k = 1});
    std::printf("lens: %.6f nats\n", reads.entropy[0]);
    try {
        const modalconflict::Model missing("no-such-bundle");
    } catch (const modalconflict::IoError& error) {
        std::printf("lens: %s\n", error.what());
        return std::abs(reads.entropy[0] - std::log(4.0)) < 1e-6 ? 0 : 1;
    }
    return 1;
}
