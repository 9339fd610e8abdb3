// Case packs: files of a stranger, and tensors of any lengths. What is accepted can be walked, saved and loaded again.
#include "scratch_file.hpp"

#include <modalconflict/engine/case_pack.hpp>

#include <fuzzer/FuzzedDataProvider.h>

#include <map>
#include <vector>

namespace mc = modalconflict;

namespace {

std::int64_t walk(const mc::CasePack& pack) {
    std::int64_t sum = 0;
    for (std::int64_t run = 0; run < pack.runs(); ++run) {
        for (const auto id : pack.run_ids(run)) sum ^= id;
        for (int which = 0; which < 2; ++which) {
            for (const auto id : pack.run_candidates(run, which)) sum ^= id;
        }
    }
    return sum;
}

mc::CasePack pack_of(FuzzedDataProvider& in, std::map<std::string, std::vector<std::int64_t>>& storage) {
    std::map<std::string, mc::TensorView> tensors;
    for (const char* name : {"ids", "offsets", "positions", "image_index", "candidates", "candidate_offsets", "pixel_values.0", "x.1"}) {
        if (in.ConsumeIntegralInRange(0, 15) == 0) continue;
        auto& values = storage[name];
        const bool wide = in.ConsumeIntegralInRange(0, 7) == 0;
        values.resize(in.ConsumeIntegralInRange<std::size_t>(0, 12));
        for (auto& value : values) value = wide ? in.ConsumeIntegral<std::int64_t>() : in.ConsumeIntegralInRange<std::int64_t>(-1, 8);
        const auto length = static_cast<std::int64_t>(values.size());
        std::vector<std::int64_t> shape{length};
        if (std::string(name) == "positions" || in.ConsumeIntegralInRange(0, 15) == 0) {
            const bool three = length % 3 == 0 && in.ConsumeBool();
            shape = {three ? 3 : 1, three ? length / 3 : length};
        }
        tensors[name] = {values.data(), mc::DType::int64, shape};
    }
    return mc::CasePack::from_tensors(tensors);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static mc::fuzz::ScratchFile file("pack.safetensors");
    if (size == 0) return 0;
    if (data[0] % 2 == 0) {
        file.write(mc::fuzz::as_bytes(mc::fuzz::safetensors_bytes({data + 1, size - 1})));
        mc::fuzz::own_errors_only([] { (void)walk(mc::CasePack::load(file.path())); });
        return 0;
    }
    mc::fuzz::own_errors_only([&] {
        FuzzedDataProvider in(data + 1, size - 1);
        std::map<std::string, std::vector<std::int64_t>> storage;
        const mc::CasePack pack = pack_of(in, storage);
        const auto path = file.folder() / "saved.safetensors";
        pack.save(path);
        const mc::CasePack again = mc::CasePack::load(path);
        mc::fuzz::require(again.ids == pack.ids && again.offsets == pack.offsets && again.positions == pack.positions &&
                              again.candidates == pack.candidates && walk(again) == walk(pack),
                          "a saved pack is loaded as another");
    });
    return 0;
}
