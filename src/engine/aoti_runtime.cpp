// Programs compiled by AOTInductor: machine code in a .pt2 package, made by torch.export, without weights.
#include "engine/programs.hpp"
#include "engine/runtime.hpp"

#include <modalconflict/error.hpp>

#include <ATen/Version.h>
#include <nlohmann/json.hpp>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

#include <unordered_map>

namespace modalconflict {
namespace {

using torch::inductor::AOTIModelPackageLoader;
using Constants = std::unordered_map<std::string, at::Tensor>;

/// What the exporter wrote beside the machine code.
struct Described {
    std::size_t inputs = 0;
    std::string cpu;                           ///< instruction set it was compiled for
    std::map<std::string, at::Tensor> wanted;  ///< stand-ins that say a weight's shape and type, without memory
};

Described described(const std::filesystem::path& path, const std::unordered_map<std::string, std::string>& metadata) {
    const auto found = metadata.find("modalconflict");
    const auto document = found == metadata.end() ? nlohmann::json() : nlohmann::json::parse(found->second, nullptr, false);
    try {
        Described result;
        result.inputs = document.at("inputs").get<std::size_t>();
        result.cpu = document.at("cpu").get<std::string>();
        for (const auto& [name, entry] : document.at("weights").items()) {
            const auto shape = entry.at("shape").get<std::vector<std::int64_t>>();
            const auto type = scalar_type(dtype_from_name(entry.at("dtype").get<std::string>()));
            result.wanted.emplace(name, at::zeros({}, type).expand(shape));
        }
        return result;
    } catch (const std::exception&) {
        throw ModelError("'" + path.string() + "' does not say what inputs and weights it takes; export the model again");
    }
}

/// One package; the weights it reads are exchanged when another layer's turn comes, which copies nothing.
class Container {
public:
    explicit Container(const std::filesystem::path& path, at::Device device)
        : path_(path), loader_(path.string(), "model", false, 1, device.is_cpu() ? c10::DeviceIndex{-1} : device.index()) {}

    [[nodiscard]] AOTIModelPackageLoader& loader() { return loader_; }
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

    std::vector<at::Tensor> call(const void* owner, Constants& constants, std::vector<at::Tensor> inputs) {
        if (owner != owner_) {
            owner_ = nullptr;  // should the exchange fail half-way
            loader_.update_constant_buffer(constants, false, true, true);
            owner_ = owner;
        }
        return loader_.boxed_run(std::move(inputs));
    }

    void forget(const void* owner) {
        if (owner == owner_) owner_ = nullptr;
    }

private:
    std::filesystem::path path_;
    AOTIModelPackageLoader loader_;
    const void* owner_ = nullptr;
};

class BoundAoti final : public BoundProgram {
public:
    BoundAoti(std::shared_ptr<Container> container, Constants constants)
        : container_(std::move(container)), constants_(std::move(constants)) {}

    ~BoundAoti() override { container_->forget(this); }

    std::vector<at::Tensor> call(std::vector<c10::IValue> inputs) override {
        std::vector<at::Tensor> tensors;
        // The machine code reads its inputs as dense rows and does not look at their strides.
        for (auto& input : inputs) tensors.push_back(std::move(input).toTensor().contiguous());
        return container_->call(this, constants_, std::move(tensors));
    }

private:
    std::shared_ptr<Container> container_;
    Constants constants_;
};

class AotiFile final : public ProgramFile {
public:
    AotiFile(const std::filesystem::path& path, at::Device device) : container_(std::make_shared<Container>(path, device)) {
        described_ = described(path, container_->loader().get_metadata());
        const std::string here = at::get_cpu_capability();
        if (described_.cpu != here) {
            throw ModelError("'" + path.string() + "' was compiled for processors with " + described_.cpu + ", this one has " +
                             here + "; export the model again on this machine, or with the runtime torchscript");
        }
        names_ = container_->loader().get_runner()->getConstantNamesToOriginalFQNs();
        for (const auto& [code_name, name] : names_) {
            if (!described_.wanted.contains(name)) {
                throw ModelError("'" + path.string() + "' reads the constant '" + name + "', which it does not describe; "
                                 "export the model again");
            }
        }
    }

    [[nodiscard]] std::size_t inputs() const override { return described_.inputs; }

    [[nodiscard]] std::shared_ptr<BoundProgram> bind(const Weights& weights, const std::string& prefix) const override {
        Constants constants;
        for (const auto& [code_name, name] : names_) {
            const at::Tensor& weight = weights.get(prefix + name);
            const at::Tensor& wanted = described_.wanted.at(name);
            if (weight.sizes() != wanted.sizes() || weight.scalar_type() != wanted.scalar_type()) {
                refuse_weight(container_->path(), prefix + name, describe(wanted), describe(weight));
            }
            constants.emplace(code_name, weight);
        }
        return std::make_shared<BoundAoti>(container_, std::move(constants));
    }

private:
    std::shared_ptr<Container> container_;
    Described described_;
    std::unordered_map<std::string, std::string> names_;  ///< of each weight: in the machine code, and in the program
};

}  // namespace

std::unique_ptr<ProgramFile> open_aoti(const std::filesystem::path& path, at::Device device) {
    try {
        return std::make_unique<AotiFile>(path, device);
    } catch (const ModelError&) {
        throw;
    } catch (const std::exception& error) {
        throw ModelError("'" + path.string() + "' is no AOTInductor package that this LibTorch can load (" + brief(error) +
                         "); export the model again");
    }
}

}  // namespace modalconflict
