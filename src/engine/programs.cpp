#include "engine/programs.hpp"

#include <modalconflict/engine/safetensors.hpp>
#include <modalconflict/error.hpp>

#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>
#include <array>

namespace modalconflict {
namespace {

using ObjectPtr = c10::intrusive_ptr<c10::ivalue::Object>;

constexpr std::array<std::pair<DType, at::ScalarType>, 10> kTypes{{{DType::float32, at::kFloat},
    {DType::float16, at::kHalf}, {DType::bfloat16, at::kBFloat16}, {DType::float64, at::kDouble}, {DType::int64, at::kLong},
    {DType::int32, at::kInt}, {DType::int16, at::kShort}, {DType::int8, at::kChar}, {DType::uint8, at::kByte},
    {DType::boolean, at::kBool}}};

std::string describe(const at::Tensor& tensor) {
    return std::string(c10::toString(tensor.scalar_type())) + " " + shape_text(tensor.sizes());
}

struct Binding {
    const Bundle& bundle;
    const Weights& weights;
    std::string program_file;
    std::string prefix;
};

// The program's own objects again, sharing its code: every slot that holds a weight gets the bundle's tensor.
ObjectPtr bind_object(const ObjectPtr& source, const Binding& binding, const std::string& path) {
    const auto object = source->copy();
    const auto type = object->type();
    for (std::size_t slot = 0; slot < type->numAttributes(); ++slot) {
        const auto& value = object->getSlot(slot);
        const std::string place = path + type->getAttributeName(slot);
        if (value.isObject()) {
            object->setSlot(slot, bind_object(value.toObject(), binding, place + "."));
            continue;
        }
        if (!value.isTensor() || !(type->is_parameter(slot) || type->is_buffer(slot))) continue;
        const at::Tensor wanted = value.toTensor();
        if (!wanted.defined()) continue;
        const std::string name = binding.prefix + place;
        const at::Tensor& weight = binding.weights.get(name);
        if (weight.sizes() != wanted.sizes() || weight.scalar_type() != wanted.scalar_type()) {
            throw ModelError("bundle '" + binding.bundle.folder.string() + "': program '" + binding.program_file +
                             "' takes weight '" + name + "' as " + describe(wanted) + ", but the weights hold " +
                             describe(weight) + ": a file of another model; export the model again");
        }
        object->setSlot(slot, weight);
    }
    return object;
}

}  // namespace

std::string brief(const std::exception& error) {
    const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
    const std::string text = torch_error ? torch_error->what_without_backtrace() : error.what();
    // The TorchScript interpreter puts its own traceback first and the reason behind this mark.
    const std::string mark = "RuntimeError: ";
    const auto reason = text.rfind(mark);
    const std::string tail = reason == std::string::npos ? text : text.substr(reason + mark.size());
    return tail.substr(0, tail.find('\n'));
}

at::ScalarType scalar_type(DType dtype) { return kTypes.at(static_cast<std::size_t>(dtype)).second; }

DType dtype_of(at::ScalarType type) {
    for (const auto& [dtype, scalar] : kTypes) {
        if (scalar == type) return dtype;
    }
    throw ModelError("a program returned tensors of type " + std::string(c10::toString(type)) +
                     ", which the engine does not know; export the model again in float32");
}

at::Tensor tensor_of(const TensorView& view) {
    return at::from_blob(const_cast<void*>(view.data), view.shape, at::TensorOptions().dtype(scalar_type(view.dtype)));
}

Weights::Weights(const Bundle& bundle, at::Device device, const std::vector<std::string>& on_host) {
    for (const auto& file : bundle.weights) {
        const SafetensorsFile opened(bundle.folder / file);
        for (const auto& [name, view] : opened.tensors()) {
            const auto keep = opened.storage();
            auto tensor = at::from_blob(const_cast<void*>(view.data), view.shape, [keep](void*) {},
                                        at::TensorOptions().dtype(scalar_type(view.dtype)));
            const bool stays = device.is_cpu() || std::any_of(on_host.begin(), on_host.end(),
                                                              [&, &n = name](const auto& begin) { return n.starts_with(begin); });
            if (!tensors_.emplace(name, stays ? tensor : tensor.to(device)).second) {
                throw ModelError("bundle '" + bundle.folder.string() + "': weight '" + name +
                                 "' stands in two files; export the model again");
            }
        }
    }
}

const at::Tensor& Weights::get(const std::string& name) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) {
        throw ModelError("the bundle's weights hold no '" + name + "', which one of its programs or bundle.json names: a "
                         "file of another model; export the model again");
    }
    return found->second;
}

std::vector<std::string> Weights::names(const std::string& prefix) const {
    std::vector<std::string> found;
    for (auto it = tensors_.lower_bound(prefix); it != tensors_.end() && it->first.starts_with(prefix); ++it) found.push_back(it->first);
    return found;
}

std::vector<MappedRange> Weights::mapped(const std::string& prefix) const {
    std::vector<MappedRange> ranges;
    for (const auto& name : names(prefix)) {
        const auto& tensor = tensors_.at(name);
        if (tensor.is_cpu()) ranges.push_back({tensor.const_data_ptr(), tensor.nbytes()});
    }
    return ranges;
}

std::int64_t Weights::bytes(const std::string& prefix) const {
    std::int64_t sum = 0;
    for (const auto& name : names(prefix)) sum += static_cast<std::int64_t>(tensors_.at(name).nbytes());
    return sum;
}

std::vector<at::Tensor> Program::operator()(std::vector<c10::IValue> inputs, std::size_t outputs) const {
    c10::IValue result;
    try {
        // Shapes differ from pass to pass: profiling and specialising to them would cost more than it gives.
        const torch::jit::GraphOptimizerEnabledGuard plain(false);
        result = module_.forward(std::move(inputs));
    } catch (const std::exception& error) {
        throw ModelError("program '" + file_ + "' failed: " + brief(error) + "; export the model again");
    }
    std::vector<at::Tensor> tensors;
    if (result.isTensor()) {
        tensors.push_back(result.toTensor());
    } else if (result.isTuple()) {
        for (const auto& element : result.toTupleRef().elements()) {
            if (element.isTensor()) tensors.push_back(element.toTensor());
        }
    }
    if (tensors.size() != outputs) {
        throw ModelError("program '" + file_ + "' returned " + std::to_string(tensors.size()) + " tensors instead of " +
                         std::to_string(outputs) + "; export the model again");
    }
    return tensors;
}

ProgramLibrary::ProgramLibrary(const Bundle& bundle, const Weights& weights, at::Device device)
    : bundle_(bundle), weights_(weights), device_(device) {}

Program ProgramLibrary::bind(const BundlePart& part, std::size_t inputs, const Weights* instead) {
    const std::string& file = bundle_.programs.at(part.program);
    auto found = loaded_.find(part.program);
    if (found == loaded_.end()) {
        const std::string path = (bundle_.folder / file).string();
        try {
            auto module = torch::jit::load(path, device_);
            module.eval();
            found = loaded_.emplace(part.program, std::move(module)).first;
        } catch (const std::exception& error) {
            throw ModelError("'" + path + "' is no TorchScript program that this LibTorch can load (" +
                             brief(error) + "); export the model again");
        }
    }
    const auto method = found->second.find_method("forward");
    const std::size_t taken = method ? method->function().getSchema().arguments().size() - 1 : 0;
    if (taken != inputs) {
        throw ModelError("bundle '" + bundle_.folder.string() + "': program '" + file + "' takes " + std::to_string(taken) +
                         " tensors instead of " + std::to_string(inputs) + ": a program of another kind; export the model again");
    }
    return {file, torch::jit::Module(bind_object(found->second._ivalue(), {bundle_, instead ? *instead : weights_, file, part.prefix}, ""))};
}

}  // namespace modalconflict
