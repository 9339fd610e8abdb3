#include "engine/programs.hpp"

#include <modalconflict/engine/safetensors.hpp>
#include <modalconflict/error.hpp>

#include <algorithm>
#include <array>

namespace modalconflict {
namespace {

constexpr std::array<std::pair<DType, at::ScalarType>, 10> kTypes{{{DType::float32, at::kFloat},
    {DType::float16, at::kHalf}, {DType::bfloat16, at::kBFloat16}, {DType::float64, at::kDouble}, {DType::int64, at::kLong},
    {DType::int32, at::kInt}, {DType::int16, at::kShort}, {DType::int8, at::kChar}, {DType::uint8, at::kByte},
    {DType::boolean, at::kBool}}};

}  // namespace

std::string brief(const std::exception& error) {
    const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
    const std::string text = torch_error ? torch_error->what_without_backtrace() : error.what();
    // The TorchScript interpreter puts its own traceback first and the reason behind this mark.
    const std::string mark = "RuntimeError: ";
    const auto reason = text.rfind(mark);
    const std::string tail = reason == std::string::npos ? text : text.substr(reason + mark.size());
    // A damaged archive makes it list what else the file may be, for as long as a page.
    constexpr std::size_t most = 160;
    const std::string line = tail.substr(0, tail.find('\n'));
    const std::string sentence = line.substr(0, line.find(". "));
    return sentence.size() <= most ? sentence : sentence.substr(0, sentence.rfind(' ', most)) + " …";
}

std::string describe(const at::Tensor& tensor) {
    return std::string(c10::toString(tensor.scalar_type())) + " " + shape_text(tensor.sizes());
}

void refuse_weight(const std::filesystem::path& program, const std::string& name, const std::string& wanted,
                   const std::string& held) {
    throw ModelError("program '" + program.string() + "' takes weight '" + name + "' as " + wanted + ", but the weights hold " +
                     held + ": a file of another model; export the model again");
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
    std::vector<at::Tensor> tensors;
    try {
        tensors = bound_->call(std::move(inputs));
    } catch (const std::exception& error) {
        throw ModelError("program '" + file_ + "' failed: " + brief(error) + "; export the model again");
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
        const auto open = bundle_.runtime == BundleRuntime::aoti ? open_aoti : open_torchscript;
        found = loaded_.emplace(part.program, open(bundle_.folder / file, device_)).first;
    }
    const std::size_t taken = found->second->inputs();
    if (taken != inputs) {
        throw ModelError("bundle '" + bundle_.folder.string() + "': program '" + file + "' takes " + std::to_string(taken) +
                         " tensors instead of " + std::to_string(inputs) + ": a program of another kind; export the model again");
    }
    return {file, found->second->bind(instead != nullptr ? *instead : weights_, part.prefix)};
}

}  // namespace modalconflict
