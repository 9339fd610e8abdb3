// bundle.json as a stranger may write it.
#include "scratch_file.hpp"

#include <modalconflict/engine/bundle.hpp>

namespace mc = modalconflict;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static mc::fuzz::ScratchFile file("bundle.json");
    file.write({data, size});
    mc::fuzz::own_errors_only([] {
        const mc::Bundle bundle = mc::read_bundle(file.folder());
        mc::fuzz::require(static_cast<std::int64_t>(bundle.layers.size()) == bundle.sizes.layers, "layers and their number differ");
        for (const auto& [name, entry] : bundle.files) {
            const auto outside = std::filesystem::path(name).lexically_normal();
            mc::fuzz::require(outside.is_relative() && *outside.begin() != "..", "a path leaves the bundle");
        }
        mc::verify_bundle(bundle);
    });
    return 0;
}
