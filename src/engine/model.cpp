#include <modalconflict/engine/model.hpp>

#include "engine/decoder.hpp"
#include "engine/memory_budget.hpp"
#include "engine/pack_runner.hpp"

#include <modalconflict/error.hpp>

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <mutex>
#include <new>

namespace modalconflict {
namespace {

at::Device parse_device(const std::string& name) {
    try {
        const at::Device device(name);
        if (device.is_cpu()) return device;
        if (device.is_cuda() && at::hasCUDA()) return device;
    } catch (const c10::Error&) {
        // Said below, together with devices that are well named but not here.
    }
    throw InvalidArgument("device '" + name + "' is not to be had here; give 'cpu', or 'cuda' with a LibTorch built for it");
}

Bundle verified(const std::filesystem::path& folder, bool checksums) {
    Bundle bundle = read_bundle(folder);
    verify_bundle(bundle, {checksums});
    return bundle;
}

WeightType weight_type(const at::Tensor& tensor, const std::string& name) {
    switch (tensor.scalar_type()) {
        case at::kFloat: return WeightType::float32;
        case at::kBFloat16: return WeightType::bfloat16;
        case at::kHalf: return WeightType::float16;
        default: throw ModelError("weight '" + name + "' is no floating-point matrix; export the model again");
    }
}

}  // namespace

class Model::Impl {
public:
    Impl(const std::filesystem::path& folder, const LoadOptions& options)
        : bundle_(verified(folder, options.checksums)), decoder_(bundle_, parse_device(options.device), options.memory_limit_bytes) {
        const auto& from = bundle_.unembed;
        const at::Tensor weight = on_cpu(from.weight);
        unembedding_.weight = {weight.const_data_ptr(), weight_type(weight, from.weight), weight.size(0), weight.size(1)};
        if (from.bias) unembedding_.bias = vector_view(*from.bias);
        unembedding_.scale = from.scale;
        unembedding_.softcap = from.softcap;
        unembedding_.norm.kind = from.norm_kind == "rms" ? FinalNorm::Kind::rms : FinalNorm::Kind::layer;
        unembedding_.norm.weight = vector_view(from.norm_weight);
        if (from.norm_bias) unembedding_.norm.bias = vector_view(*from.norm_bias);
        unembedding_.norm.eps = from.norm_eps;
        unembedding_.norm.offset = from.norm_offset;
        if (options.threads > 0) at::set_num_threads(options.threads);
    }

    [[nodiscard]] const Bundle& bundle() const { return bundle_; }

    [[nodiscard]] PackReads run(const CasePack& pack, const RunOptions& options, const std::vector<Hook>& hooks) const {
        const std::lock_guard turn(one_at_a_time_);
        const c10::InferenceMode inference;
        PackRunner runner(bundle_, decoder_, unembedding_, pack, options, hooks);
        try {
            return runner.run();
        } catch (const std::bad_alloc&) {
            throw out_of_memory(runner);
        } catch (const c10::Error& error) {
            // The CPU's allocator throws a plain error, so its words must do.
            const std::string what = error.what_without_backtrace();
            if (what.find("allocate memory") == std::string::npos && what.find("out of memory") == std::string::npos) throw;
            throw out_of_memory(runner);
        }
    }

private:
    [[nodiscard]] ModelError out_of_memory(const PackRunner& runner) const {
        return ModelError("running bundle '" + bundle_.folder.string() + "' needs more memory than there is; with a memory limit "
                          "of " + gibibytes_up(runner.least_memory_bytes()) + " GiB or more it reads its layers one by one and "
                          "needs no more than that");
    }

    // The lens reads on the CPU, whatever the device of the layers.
    at::Tensor on_cpu(const std::string& name) {
        kept_.push_back(decoder_.unembed_weight(name).to(at::kCPU).contiguous());
        return kept_.back();
    }

    VectorView vector_view(const std::string& name) {
        const at::Tensor tensor = on_cpu(name);
        return {tensor.const_data_ptr(), weight_type(tensor, name), tensor.numel()};
    }

    mutable std::recursive_mutex one_at_a_time_;  // a hook may run the model again
    Bundle bundle_;
    Decoder decoder_;
    std::vector<at::Tensor> kept_;
    Unembedding unembedding_;
};

Model::Model(const std::filesystem::path& bundle, const LoadOptions& options) {
    if (options.memory_limit_bytes && *options.memory_limit_bytes < 1) {
        throw InvalidArgument("memory_limit_bytes is " + std::to_string(*options.memory_limit_bytes) + "; give at least 1 byte, or none");
    }
    if (options.threads < 0) {
        throw InvalidArgument("threads is " + std::to_string(options.threads) + "; give 0 (leave as it is) or more");
    }
    try {
        impl_ = std::make_unique<Impl>(bundle, options);
    } catch (const c10::Error& error) {
        throw ModelError("bundle '" + bundle.string() + "' could not be loaded: " + brief(error) + "; export the model again");
    }
}

Model::~Model() = default;
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;

const Bundle& Model::bundle() const { return impl_->bundle(); }

PackReads Model::run(const CasePack& pack, const RunOptions& options, const std::vector<Hook>& hooks) const {
    try {
        return impl_->run(pack, options, hooks);
    } catch (const c10::Error& error) {
        throw ModelError("running bundle '" + impl_->bundle().folder.string() + "' failed: " + brief(error) +
                         "; try a smaller batch_size or export the model again");
    }
}

}  // namespace modalconflict
