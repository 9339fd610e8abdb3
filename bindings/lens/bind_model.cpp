#include "lens/bind.hpp"
#include "lens/hook_calls.hpp"

#include <modalconflict/engine/model.hpp>
#include <modalconflict/engine/sha256.hpp>
#include <modalconflict/error.hpp>

#include <pybind11/numpy.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

namespace py = pybind11;

namespace modalconflict::bindings {
namespace {

using HookTuple = std::tuple<py::object, std::vector<std::int64_t>, std::string, std::vector<std::int64_t>, bool>;

DType dtype_of(const py::array& array, const std::string& name) {
    const std::string dtype = py::str(array.dtype());
    try {
        return dtype == "bool" ? DType::boolean : dtype_from_name(dtype);
    } catch (const InvalidArgument&) {
        throw InvalidArgument("pack: array '" + name + "' holds " + dtype + "; give int64 or float32");
    }
}

// Views of the arrays as they lie in memory; `owners` keeps those that had to be made contiguous.
CasePack pack_of(const py::dict& arrays, std::vector<py::array>& owners) {
    std::map<std::string, TensorView> tensors;
    for (const auto& [key, value] : arrays) {
        const auto name = py::cast<std::string>(key);
        auto array = py::array::ensure(value, py::array::c_style);
        if (!array) {
            PyErr_Clear();
            throw InvalidArgument("pack: '" + name + "' is no array; give a numpy array");
        }
        TensorView view{array.data(), dtype_of(array, name), {array.shape(), array.shape() + array.ndim()}};
        tensors.emplace(name, std::move(view));
        owners.push_back(std::move(array));
    }
    return CasePack::from_tensors(tensors);
}

template <typename T>
py::array_t<T> take(std::vector<T>&& values, std::vector<py::ssize_t> shape) {
    auto owner = std::make_unique<std::vector<T>>(std::move(values));
    const T* data = owner->data();
    py::capsule base(owner.release(), [](void* held) { delete static_cast<std::vector<T>*>(held); });
    return py::array_t<T>(std::move(shape), data, base);
}

/// The translators as they lie in the arrays, whose owner stays alive as long as the lens is used.
std::shared_ptr<const TunedLens> tuned_lens(const py::object& lens) {
    if (lens.is_none()) return nullptr;
    const auto [weight, bias, type] = py::cast<std::tuple<py::array, py::array, std::string>>(lens);
    const WeightType stored = type == "float32"    ? WeightType::float32
                              : type == "bfloat16" ? WeightType::bfloat16
                              : type == "float16"  ? WeightType::float16
                                                   : throw InvalidArgument("tuned lens: type '" + type + "' is unknown");
    const py::ssize_t bytes = stored == WeightType::float32 ? 4 : 2;
    if (weight.ndim() != 3 || weight.itemsize() != bytes || bias.itemsize() != bytes ||
        (weight.flags() & py::array::c_style) == 0 || (bias.flags() & py::array::c_style) == 0) {
        throw InvalidArgument("tuned lens: weight and bias are no row-major arrays of " + type + "; pass contiguous ones");
    }
    auto result = std::make_shared<TunedLens>();
    result->layers = weight.shape(0);
    result->width = weight.shape(2);
    result->weight = {weight.data(), stored, weight.shape(0) * weight.shape(1), weight.shape(2)};
    result->bias = {bias.data(), stored, bias.size()};
    return result;
}

Named reads_dict(PackReads&& reads, const RunOptions& options) {
    const py::ssize_t n = reads.runs, rows = reads.rows, k = reads.top_k;
    Named out;
    out["entropy"] = take(std::move(reads.entropy), {n, rows});
    out["kl_final"] = take(std::move(reads.kl_final), {n, rows});
    out["top_ids"] = take(std::move(reads.top_ids), {n, rows, k});
    out["top_logits"] = take(std::move(reads.top_logits), {n, rows, k});
    out["logit_text"] = take(std::move(reads.logit_text), {n, rows});
    out["logit_vision"] = take(std::move(reads.logit_vision), {n, rows});
    out["max_prob"] = take(std::move(reads.max_prob), {n});
    out["margin"] = take(std::move(reads.margin), {n});
    out["varentropy"] = take(std::move(reads.varentropy), {n});
    out["gini"] = take(std::move(reads.gini), {n});
    out["top_k_entropy"] = take(std::move(reads.top_k_entropy), {n});
    out["log_normalizer"] = take(std::move(reads.log_normalizer), {n});
    out["renyi"] = take(std::move(reads.renyi), {n, static_cast<py::ssize_t>(options.renyi_alphas.size())});
    out["tsallis"] = take(std::move(reads.tsallis), {n, static_cast<py::ssize_t>(options.tsallis_orders.size())});
    out["answer_ids"] = std::move(reads.answer_ids);
    out["answer_log_probs"] = std::move(reads.answer_log_probs);
    out["answer_log_prob"] = take(std::move(reads.answer_log_prob), {n});
    std::vector<bool> stopped(reads.answer_stopped.begin(), reads.answer_stopped.end());
    out["answer_stopped"] = stopped;
    out["status"] = std::move(reads.status);
    py::dict stats;
    stats["seconds"] = reads.stats.seconds;
    stats["vision_seconds"] = reads.stats.vision_seconds;
    stats["lens_seconds"] = reads.stats.lens_seconds;
    stats["prompt_tokens"] = reads.stats.prompt_tokens;
    stats["prefix_tokens"] = reads.stats.prefix_tokens;
    stats["suffix_tokens"] = reads.stats.suffix_tokens;
    stats["padding_tokens"] = reads.stats.padding_tokens;
    stats["generated_tokens"] = reads.stats.generated_tokens;
    stats["images_encoded"] = reads.stats.images_encoded;
    stats["runs_sharing"] = reads.stats.runs_sharing;
    stats["runs_alone"] = reads.stats.runs_alone;
    out["stats"] = stats;
    return out;
}

Named info_of(const Bundle& bundle) {
    py::dict sizes;
    sizes["hidden"] = bundle.sizes.hidden;
    sizes["layers"] = bundle.sizes.layers;
    sizes["vocab"] = bundle.sizes.vocab;
    sizes["heads"] = bundle.sizes.heads;
    sizes["kv_heads"] = bundle.sizes.kv_heads;
    sizes["head_dim"] = bundle.sizes.head_dim;
    sizes["max_positions"] = bundle.sizes.max_positions;
    Named info;
    info["family"] = bundle.family;
    info["source"] = bundle.source;
    info["dtype"] = std::string(name(bundle.dtype));
    info["sizes"] = sizes;
    info["image_token_id"] = bundle.image_token_id;
    info["stop_token_ids"] = bundle.stop_token_ids;
    info["versions"] = bundle.versions;
    info["sha256"] = bundle.sha256;
    info["preparation_sha256"] = bundle.preparation_sha256;
    return info;
}

Named run_model(const Model& model, const py::object& pack, const std::vector<HookTuple>& hook_tuples,
                const RunOptions& options) {
    std::vector<py::array> owners;
    std::vector<Hook> hooks;
    for (const auto& [function, layers, positions, listed, generated] : hook_tuples) {
        hooks.push_back(python_hook(function, layers, positions, listed, generated));
    }
    const CasePack cases = py::isinstance<py::dict>(pack) ? pack_of(pack, owners)
                                                          : CasePack::load(py::cast<std::filesystem::path>(pack));
    PackReads reads;
    {
        const py::gil_scoped_release release;
        reads = model.run(cases, options, hooks);
    }
    return reads_dict(std::move(reads), options);
}

}  // namespace

void bind_model(py::module_& m) {
    py::class_<Model>(m, "Model", "A model loaded from a bundle.")
        .def(py::init([](const std::filesystem::path& bundle, bool checksums, const std::string& device, int threads,
                         std::optional<std::int64_t> memory_limit_bytes) {
                 const py::gil_scoped_release release;
                 return std::make_unique<Model>(bundle, LoadOptions{checksums, device, threads, memory_limit_bytes});
             }),
             py::arg("bundle"), py::arg("checksums") = true, py::arg("device") = "cpu", py::arg("threads") = 0,
             py::arg("memory_limit_bytes") = py::none())
        .def_property_readonly("info", [](const Model& model) { return info_of(model.bundle()); })
        .def("run", [](const Model& model, const py::object& pack, const std::vector<HookTuple>& hooks, int top_k,
                       int max_new_tokens, int batch_size, std::int64_t kv_memory_bytes, bool share_prefixes,
                       std::optional<std::int64_t> stop_after_layer, const py::object& tuned,
                       std::vector<double> renyi_alphas, std::vector<double> tsallis_orders) {
                 return run_model(model, pack, hooks,
                                  {top_k, max_new_tokens, batch_size, kv_memory_bytes, share_prefixes, stop_after_layer,
                                   tuned_lens(tuned), std::move(renyi_alphas), std::move(tsallis_orders)});
             },
             py::arg("pack"), py::arg("hooks"), py::arg("top_k"), py::arg("max_new_tokens"), py::arg("batch_size"),
             py::arg("kv_memory_bytes"), py::arg("share_prefixes"), py::arg("stop_after_layer"),
             py::arg("tuned") = py::none(), py::arg("renyi_alphas") = std::vector<double>{},
             py::arg("tsallis_orders") = std::vector<double>{},
             "Run a pack (a dict of arrays, or the path of a pack file) and return its reads as a dict of arrays.");
    m.def("verify_bundle", [](const std::filesystem::path& bundle) { verify_bundle(read_bundle(bundle)); }, py::arg("bundle"),
          py::call_guard<py::gil_scoped_release>(), "Hold every file of a bundle against its size and SHA-256.");
}

}  // namespace modalconflict::bindings
