#include "lens/bind.hpp"

#include <modalconflict/error.hpp>
#include <modalconflict/lens/lens_kernel.hpp>

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace py = pybind11;

namespace modalconflict::bindings {
namespace {

template <typename T>
using Array = py::array_t<T, py::array::c_style | py::array::forcecast>;

template <typename T>
std::span<const T> span_of(const Array<T>& array) {
    return {array.data(), static_cast<std::size_t>(array.size())};
}

WeightType weight_type(const std::string& name) {
    if (name == "float32") return WeightType::float32;
    if (name == "bfloat16") return WeightType::bfloat16;
    if (name == "float16") return WeightType::float16;
    throw InvalidArgument("unembedding: weight type '" + name + "' is unknown; use float32, bfloat16 or float16");
}

FinalNorm::Kind norm_kind(const std::string& name) {
    if (name == "none") return FinalNorm::Kind::none;
    if (name == "rms") return FinalNorm::Kind::rms;
    if (name == "layer") return FinalNorm::Kind::layer;
    throw InvalidArgument("unembedding: norm kind '" + name + "' is unknown; use none, rms or layer");
}

void require_axes(const py::array& array, py::ssize_t axes, const std::string& name) {
    if (array.ndim() != axes) {
        throw InvalidArgument("lens: " + name + " has " + std::to_string(array.ndim()) + " axes; pass an array of " +
                              std::to_string(axes));
    }
}

VectorView view_of(const std::optional<Array<float>>& vector, const std::string& name) {
    if (!vector) return {};
    require_axes(*vector, 1, name);
    return {vector->data(), WeightType::float32, vector->size()};
}

LensRows rows_of(const Array<float>& hidden, const Array<std::uint8_t>& normed, const Array<std::int64_t>& final_row,
                 const Array<std::int64_t>& tokens, const Array<std::int64_t>& group_offsets,
                 const Array<std::int64_t>& row_groups) {
    require_axes(hidden, 2, "hidden");
    require_axes(row_groups, 2, "row_groups");
    LensRows rows;
    rows.hidden = hidden.data();
    rows.rows = hidden.shape(0);
    rows.columns = hidden.shape(1);
    rows.normed = span_of(normed);
    rows.final_row = span_of(final_row);
    rows.tokens = span_of(tokens);
    rows.group_offsets = span_of(group_offsets);
    rows.row_groups = span_of(row_groups);
    rows.groups_per_row = row_groups.shape(1);
    return rows;
}

template <typename T>
py::array_t<T> array_of(const std::vector<T>& values, std::vector<py::ssize_t> shape) {
    py::array_t<T> array(std::move(shape));
    if (!values.empty()) std::memcpy(array.mutable_data(), values.data(), values.size() * sizeof(T));
    return array;
}

Named dict_of(const LensReads& reads, const LensOptions& options) {
    const auto n = static_cast<py::ssize_t>(reads.rows);
    const auto k = static_cast<py::ssize_t>(reads.top_k);
    Named result;
    result["finite"] = array_of(reads.finite, {n}).attr("astype")("bool");
    result["entropy"] = array_of(reads.entropy, {n});
    result["varentropy"] = array_of(reads.varentropy, {n});
    result["max_logit"] = array_of(reads.max_logit, {n});
    result["log_normalizer"] = array_of(reads.log_normalizer, {n});
    result["max_probability"] = array_of(reads.max_probability, {n});
    result["one_minus_max"] = array_of(reads.one_minus_max, {n});
    result["one_minus_margin"] = array_of(reads.one_minus_margin, {n});
    result["gini"] = array_of(reads.gini, {n});
    result["top_k_entropy"] = array_of(reads.top_k_entropy, {n});
    result["padding_mass"] = array_of(reads.padding_mass, {n});
    result["renyi"] = array_of(reads.renyi, {n, static_cast<py::ssize_t>(options.renyi_alphas.size())});
    result["tsallis"] = array_of(reads.tsallis, {n, static_cast<py::ssize_t>(options.tsallis_orders.size())});
    result["kl_final"] = array_of(reads.kl_final, {n});
    result["top_ids"] = array_of(reads.top_ids, {n, k});
    result["top_logits"] = array_of(reads.top_logits, {n, k});
    result["chosen"] = array_of(reads.chosen, {n, static_cast<py::ssize_t>(reads.groups_per_row)});
    return result;
}

Named read_lens_arrays(const Array<float>& hidden, const py::array& weight, const std::string& type,
                       const std::optional<Array<float>>& bias, double scale, std::optional<double> softcap,
                       const std::string& kind, const std::optional<Array<float>>& norm_weight,
                       const std::optional<Array<float>>& norm_bias, double norm_eps, double norm_offset,
                       const Array<std::uint8_t>& normed, const Array<std::int64_t>& final_row,
                       const Array<std::int64_t>& tokens, const Array<std::int64_t>& group_offsets,
                       const Array<std::int64_t>& row_groups, const LensOptions& options) {
    require_axes(weight, 2, "weight");
    Unembedding unembedding;
    unembedding.weight = {weight.data(), weight_type(type), weight.shape(0), weight.shape(1)};
    const py::ssize_t bytes = unembedding.weight.type == WeightType::float32 ? 4 : 2;
    if (weight.itemsize() != bytes || (weight.flags() & py::array::c_style) == 0) {
        throw InvalidArgument("unembedding: weight is not a row-major array of " + type +
                              "; pass numpy.ascontiguousarray of it");
    }
    unembedding.bias = view_of(bias, "bias");
    unembedding.scale = scale;
    unembedding.softcap = softcap;
    unembedding.norm = {norm_kind(kind), view_of(norm_weight, "norm_weight"), view_of(norm_bias, "norm_bias"),
                        norm_eps, norm_offset};
    const LensRows rows = rows_of(hidden, normed, final_row, tokens, group_offsets, row_groups);
    LensReads reads;
    {
        const py::gil_scoped_release released;
        reads = read_lens(rows, unembedding, options);
    }
    return dict_of(reads, options);
}

Named reduce_logits_arrays(const Array<float>& logits, const Array<std::int64_t>& final_row,
                           const Array<std::int64_t>& tokens, const Array<std::int64_t>& group_offsets,
                           const Array<std::int64_t>& row_groups, const LensOptions& options) {
    const LensRows rows = rows_of(logits, Array<std::uint8_t>(0), final_row, tokens, group_offsets, row_groups);
    LensReads reads;
    {
        const py::gil_scoped_release released;
        reads = reduce_logits(rows, options);
    }
    return dict_of(reads, options);
}

}  // namespace

void bind_lens_kernel(py::module_& m) {
    py::class_<LensOptions>(m, "LensOptions")
        .def(py::init([](int top_k, std::vector<double> renyi_alphas, std::vector<double> tsallis_orders,
                         std::int64_t vocabulary, bool drop_padding, int threads, std::int64_t block_rows,
                         std::int64_t tile) {
                 return LensOptions{top_k,        std::move(renyi_alphas), std::move(tsallis_orders), vocabulary,
                                    drop_padding, threads,                 block_rows,                tile};
             }),
             py::kw_only(), py::arg("top_k") = 5, py::arg("renyi_alphas") = std::vector<double>{},
             py::arg("tsallis_orders") = std::vector<double>{}, py::arg("vocabulary") = 0,
             py::arg("drop_padding") = false, py::arg("threads") = 0, py::arg("block_rows") = 0, py::arg("tile") = 0);
    m.def("read_lens", &read_lens_arrays, py::arg("hidden"), py::arg("weight"), py::arg("weight_type"),
          py::arg("bias"), py::arg("scale"), py::arg("softcap"), py::arg("norm_kind"), py::arg("norm_weight"),
          py::arg("norm_bias"), py::arg("norm_eps"), py::arg("norm_offset"), py::arg("normed"), py::arg("final_row"),
          py::arg("tokens"), py::arg("group_offsets"), py::arg("row_groups"), py::arg("options"),
          "Rows of hidden states through the unembedding; see modalconflict.lens_kernel.read_lens.");
    m.def("reduce_logits", &reduce_logits_arrays, py::arg("logits"), py::arg("final_row"), py::arg("tokens"),
          py::arg("group_offsets"), py::arg("row_groups"), py::arg("options"),
          "The same reads of logits; see modalconflict.lens_kernel.reduce_logits.");
}

}  // namespace modalconflict::bindings
