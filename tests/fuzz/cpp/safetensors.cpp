// The header of a safetensors file as a stranger may write it: whatever is accepted can be read to its last byte.
#include "scratch_file.hpp"

#include <modalconflict/engine/safetensors.hpp>

namespace mc = modalconflict;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static mc::fuzz::ScratchFile file("x.safetensors");
    file.write(mc::fuzz::as_bytes(mc::fuzz::safetensors_bytes({data, size})));
    mc::fuzz::own_errors_only([] {
        const mc::SafetensorsFile read(file.path());
        unsigned sum = 0;
        for (const auto& [name, view] : read.tensors()) {
            const auto* bytes = static_cast<const unsigned char*>(view.data);
            for (std::size_t i = 0; i < view.bytes(); ++i) sum += bytes[i];
        }
        const volatile unsigned kept = sum;  // so that the reading is not left out
        (void)kept;
    });
    return 0;
}
