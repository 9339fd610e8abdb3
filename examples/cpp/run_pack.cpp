// run_pack BUNDLE PACK: runs a case pack that `modalconflict prepare` wrote, with no Python, and prints for every run
// the entropy of its answer and the layer from which the lens' entropy stays below half its maximum.
#include <modalconflict/engine/model.hpp>

#include <algorithm>
#include <cstdio>
#include <exception>

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: %s BUNDLE PACK\n", argv[0]);
        return 2;
    }
    try {
        const modalconflict::Model model(argv[1]);
        const auto reads = model.run(modalconflict::CasePack::load(argv[2]));
        for (std::int64_t run = 0; run < reads.runs; ++run) {
            const double* entropy = reads.entropy.data() + run * reads.rows;
            const double half = *std::max_element(entropy, entropy + reads.rows) / 2;
            std::int64_t settled = reads.rows - 1;
            while (settled > 0 && entropy[settled - 1] < half) --settled;
            std::printf("run %lld: %.3f nats, settled at layer %lld of %lld (%s)\n", static_cast<long long>(run),
                        entropy[reads.rows - 1], static_cast<long long>(settled), static_cast<long long>(reads.rows - 1),
                        reads.status[static_cast<std::size_t>(run)].c_str());
        }
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
