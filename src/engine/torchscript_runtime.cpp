// Programs traced by torch.jit: the default runtime.
#include "engine/programs.hpp"
#include "engine/runtime.hpp"

#include <modalconflict/error.hpp>

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

namespace modalconflict {
namespace {

using ObjectPtr = c10::intrusive_ptr<c10::ivalue::Object>;

struct Binding {
    const std::filesystem::path& program;
    const Weights& weights;
    const std::string& prefix;
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
            refuse_weight(binding.program, name, describe(wanted), describe(weight));
        }
        object->setSlot(slot, weight);
    }
    return object;
}

class BoundScript final : public BoundProgram {
public:
    explicit BoundScript(torch::jit::Module module) : module_(std::move(module)) {}

    std::vector<at::Tensor> call(std::vector<c10::IValue> inputs) override {
        // Shapes differ from pass to pass: profiling and specialising to them would cost more than it gives.
        const torch::jit::GraphOptimizerEnabledGuard plain(false);
        const c10::IValue result = module_.forward(std::move(inputs));
        std::vector<at::Tensor> tensors;
        if (result.isTensor()) {
            tensors.push_back(result.toTensor());
        } else if (result.isTuple()) {
            for (const auto& element : result.toTupleRef().elements()) {
                if (element.isTensor()) tensors.push_back(element.toTensor());
            }
        }
        return tensors;
    }

private:
    torch::jit::Module module_;
};

class ScriptFile final : public ProgramFile {
public:
    ScriptFile(std::filesystem::path path, at::Device device)
        : path_(std::move(path)), module_(torch::jit::load(path_.string(), device)) {
        module_.eval();
    }

    [[nodiscard]] std::size_t inputs() const override {
        const auto method = module_.find_method("forward");
        return method ? method->function().getSchema().arguments().size() - 1 : 0;
    }

    [[nodiscard]] std::shared_ptr<BoundProgram> bind(const Weights& weights, const std::string& prefix) const override {
        return std::make_shared<BoundScript>(torch::jit::Module(bind_object(module_._ivalue(), {path_, weights, prefix}, "")));
    }

private:
    std::filesystem::path path_;
    torch::jit::Module module_;
};

}  // namespace

std::unique_ptr<ProgramFile> open_torchscript(const std::filesystem::path& path, at::Device device) {
    try {
        return std::make_unique<ScriptFile>(path, device);
    } catch (const std::exception& error) {
        throw ModelError("'" + path.string() + "' is no TorchScript program that this LibTorch can load (" + brief(error) +
                         "); export the model again");
    }
}

}  // namespace modalconflict
