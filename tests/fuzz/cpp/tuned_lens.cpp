// A tuned lens' file: whatever is accepted and valid holds all the numbers that it promises.
#include "scratch_file.hpp"

#include <modalconflict/lens/tuned_lens.hpp>

namespace mc = modalconflict;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static mc::fuzz::ScratchFile file("lens.safetensors");
    file.write(mc::fuzz::as_bytes(mc::fuzz::safetensors_bytes({data, size})));
    mc::fuzz::own_errors_only([] {
        const mc::TunedLens lens = mc::TunedLens::load(file.path());
        lens.validate();
        const std::size_t item = lens.weight.type == mc::WeightType::float32 ? 4 : 2;
        const auto* bytes = static_cast<const unsigned char*>(lens.weight.data);
        const std::size_t last = static_cast<std::size_t>(lens.layers * lens.width * lens.width) * item - 1;
        const volatile unsigned sum = static_cast<unsigned>(bytes[0]) + bytes[last];
        (void)sum;
    });
    return 0;
}
