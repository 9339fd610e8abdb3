#include "lens/hook_calls.hpp"

#include <modalconflict/error.hpp>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/autograd/python_variable.h>
#include <torch/csrc/utils/pybind.h>

#include <pybind11/numpy.h>

namespace py = pybind11;

namespace modalconflict::bindings {
namespace {

at::ScalarType scalar_type(DType dtype) {
    switch (dtype) {
        case DType::float32: return at::kFloat;
        case DType::float16: return at::kHalf;
        case DType::bfloat16: return at::kBFloat16;
        case DType::float64: return at::kDouble;
        default: throw ModelError("the model's hidden states are not floating-point; export it again in float32");
    }
}

py::array_t<std::int64_t> array_of(std::span<const std::int64_t> values) {
    return py::array_t<std::int64_t>(static_cast<py::ssize_t>(values.size()), values.data());
}

bool call_python(const py::object& function, const HiddenState& state) {
    const py::gil_scoped_acquire gil;
    // The hook gets an ordinary tensor, not an inference one: it may keep it, edit it, or compute gradients from it.
    const c10::InferenceMode ordinary(false);
    const auto storage = state.storage;
    const at::Tensor hidden = at::from_blob(state.data, state.shape, [storage](void*) {},
                                            at::TensorOptions().dtype(scalar_type(state.dtype)).device(at::Device(state.device)));
    const py::object result = function(state.layer, array_of(state.runs), array_of(state.lengths), py::cast(hidden));
    if (result.is_none()) return false;
    if (!THPVariable_Check(result.ptr())) {
        throw InvalidArgument("a hook returned " + std::string(py::str(py::type::of(result))) +
                              "; return a torch tensor, or None to leave the state as it is");
    }
    const at::Tensor replacement = py::cast<at::Tensor>(result).detach();
    if (replacement.sizes() != hidden.sizes()) {
        throw InvalidArgument("a hook returned a tensor of shape " + shape_text(replacement.sizes()) + " at layer " +
                              std::to_string(state.layer) + " for a state of shape " + shape_text(hidden.sizes()) +
                              "; return the state's own shape");
    }
    if (!replacement.is_alias_of(hidden) || replacement.data_ptr() != hidden.data_ptr()) {
        const c10::NoGradGuard no_grad;
        hidden.copy_(replacement);
    }
    return true;
}

}  // namespace

Hook python_hook(const py::object& function, std::vector<std::int64_t> layers, const std::string& positions,
                 std::vector<std::int64_t> listed, bool generated) {
    Hook hook;
    // The last reference may fall away on a thread without the interpreter's lock.
    const std::shared_ptr<py::object> owned(new py::object(function), [](py::object* held) {
        const py::gil_scoped_acquire gil;
        delete held;
    });
    hook.call = [owned](const HiddenState& state) { return call_python(*owned, state); };
    hook.layers = std::move(layers);
    hook.positions = positions == "all" ? HookPositions::all : positions == "listed" ? HookPositions::listed : HookPositions::answer;
    hook.listed = std::move(listed);
    hook.generated = generated;
    return hook;
}

}  // namespace modalconflict::bindings
