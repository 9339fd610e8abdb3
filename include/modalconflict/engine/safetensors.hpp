#pragma once

#include <modalconflict/engine/tensor_view.hpp>

#include <filesystem>
#include <map>
#include <memory>
#include <string>

namespace modalconflict {

/// A safetensors file, mapped into memory and never copied.
///
/// The header comes from outside and is trusted in nothing: its length is held against the file's before
/// anything is allocated, every tensor must lie within the file, its shape times its element size must equal
/// its bytes, and tensors may neither overlap nor be misaligned.
///
/// Format: Hugging Face, safetensors (an 8-byte little-endian header length, a JSON header, then the data).
class SafetensorsFile {
public:
    /// @throws IoError  if the file is missing, unreadable or malformed; the message names the file and the tensor.
    explicit SafetensorsFile(const std::filesystem::path& path);

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    [[nodiscard]] const std::map<std::string, TensorView>& tensors() const { return tensors_; }
    [[nodiscard]] const std::map<std::string, std::string>& metadata() const { return metadata_; }
    [[nodiscard]] bool contains(const std::string& name) const { return tensors_.contains(name); }

    /// The views stay valid for as long as this handle does.
    [[nodiscard]] std::shared_ptr<const void> storage() const { return mapping_; }

    /// @throws IoError  if the file holds no tensor of this name.
    [[nodiscard]] const TensorView& tensor(const std::string& name) const;

private:
    void parse_header(const char* begin, std::size_t file_bytes);

    std::filesystem::path path_;
    std::shared_ptr<const void> mapping_;
    std::map<std::string, TensorView> tensors_;
    std::map<std::string, std::string> metadata_;
};

/// Write tensors to a file: under a temporary name first, so that a crash leaves no half file under the real one.
/// @throws IoError  if the file cannot be written.
void write_safetensors(const std::filesystem::path& path, const std::map<std::string, TensorView>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace modalconflict
