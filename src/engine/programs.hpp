#pragma once

#include "engine/mapped_pages.hpp"

#include <modalconflict/engine/bundle.hpp>

#include "engine/runtime.hpp"

#include <ATen/ATen.h>

#include <map>
#include <string>
#include <vector>

namespace modalconflict {

[[nodiscard]] at::ScalarType scalar_type(DType dtype);
[[nodiscard]] DType dtype_of(at::ScalarType type);

/// A tensor over memory that the caller keeps alive: no copy.
[[nodiscard]] at::Tensor tensor_of(const TensorView& view);

/// What a message needs of an exception of the tensor library: the sentence without its traceback.
[[nodiscard]] std::string brief(const std::exception& error);

/// "Float [2, 3]", for messages.
[[nodiscard]] std::string describe(const at::Tensor& tensor);

/// Weights by name: all of a bundle's, as views of its mapped files or as copies on another device.
class Weights {
public:
    /// @param on_host  Names, or beginnings of names, of weights that stay in the mapped files whatever the device.
    Weights(const Bundle& bundle, at::Device device, const std::vector<std::string>& on_host = {});

    explicit Weights(std::map<std::string, at::Tensor> tensors) : tensors_(std::move(tensors)) {}

    /// @throws ModelError  if there is no such weight.
    [[nodiscard]] const at::Tensor& get(const std::string& name) const;
    [[nodiscard]] bool contains(const std::string& name) const { return tensors_.contains(name); }

    /// The names that begin so.
    [[nodiscard]] std::vector<std::string> names(const std::string& prefix) const;

    /// The mapped bytes of the weights whose names begin so and which lie in the files.
    [[nodiscard]] std::vector<MappedRange> mapped(const std::string& prefix) const;

    [[nodiscard]] std::int64_t bytes(const std::string& prefix) const;

private:
    std::map<std::string, at::Tensor> tensors_;
};

/// A program with its weights bound, ready to be called.
class Program {
public:
    Program() = default;
    Program(std::string file, std::shared_ptr<BoundProgram> bound) : file_(std::move(file)), bound_(std::move(bound)) {}

    /// Call the program; the tensors it returns, one or a tuple.
    /// @throws ModelError  naming the program's file if it fails or returns another number of tensors.
    [[nodiscard]] std::vector<at::Tensor> operator()(std::vector<c10::IValue> inputs, std::size_t outputs) const;

private:
    std::string file_;
    std::shared_ptr<BoundProgram> bound_;
};

/// Loads each program file once and binds it as often as the bundle names it.
class ProgramLibrary {
public:
    ProgramLibrary(const Bundle& bundle, const Weights& weights, at::Device device);

    /// @param inputs  How many tensors the program must take.
    /// @throws ModelError  if the program does not take them, or a weight is missing or of another shape or type.
    /// @param instead  Where the weights are taken from; null: from the library's own.
    [[nodiscard]] Program bind(const BundlePart& part, std::size_t inputs, const Weights* instead = nullptr);

private:
    const Bundle& bundle_;
    const Weights& weights_;
    at::Device device_;
    std::map<std::string, std::unique_ptr<ProgramFile>> loaded_;
};

}  // namespace modalconflict
