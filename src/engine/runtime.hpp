#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>
#include <c10/core/Device.h>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace modalconflict {

class Weights;

/// A program with its weights bound, whatever runs it.
class BoundProgram {
public:
    BoundProgram() = default;
    virtual ~BoundProgram() = default;
    BoundProgram(const BoundProgram&) = delete;
    BoundProgram& operator=(const BoundProgram&) = delete;

    [[nodiscard]] virtual std::vector<at::Tensor> call(std::vector<c10::IValue> inputs) = 0;
};

/// A program's file, loaded once and bound as often as the bundle names it.
class ProgramFile {
public:
    ProgramFile() = default;
    virtual ~ProgramFile() = default;
    ProgramFile(const ProgramFile&) = delete;
    ProgramFile& operator=(const ProgramFile&) = delete;

    /// How many tensors it takes.
    [[nodiscard]] virtual std::size_t inputs() const = 0;

    /// Parameter or buffer p becomes the weight named prefix + p, without a copy.
    /// @throws ModelError  if a weight is missing or of another shape or type.
    [[nodiscard]] virtual std::shared_ptr<BoundProgram> bind(const Weights& weights, const std::string& prefix) const = 0;
};

/// @throws ModelError  if the file is not one that this LibTorch can run here.
[[nodiscard]] std::unique_ptr<ProgramFile> open_torchscript(const std::filesystem::path& path, at::Device device);
[[nodiscard]] std::unique_ptr<ProgramFile> open_aoti(const std::filesystem::path& path, at::Device device);

/// The sentence for a weight that does not fit: a file of another model.
[[noreturn]] void refuse_weight(const std::filesystem::path& program, const std::string& name, const std::string& wanted,
                                const std::string& held);

}  // namespace modalconflict
