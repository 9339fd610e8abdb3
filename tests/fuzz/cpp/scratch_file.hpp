#pragma once

#include "own_errors.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace modalconflict::fuzz {

/// A file in a temporary folder of its own, written anew for every input and removed with the folder at the end.
class ScratchFile {
public:
    explicit ScratchFile(const std::string& name) {
        std::string pattern = (std::filesystem::temp_directory_path() / "modalconflict-fuzz-XXXXXX").string();
        require(::mkdtemp(pattern.data()) != nullptr, "no temporary folder");
        folder_ = pattern;
        path_ = folder_ / name;
        handle_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        require(handle_ >= 0, "no temporary file");
    }
    ScratchFile(const ScratchFile&) = delete;
    ScratchFile& operator=(const ScratchFile&) = delete;
    ~ScratchFile() {
        ::close(handle_);
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }

    void write(std::span<const std::uint8_t> bytes) {
        require(::ftruncate(handle_, 0) == 0, "the temporary file cannot be emptied");
        require(::pwrite(handle_, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()), "the temporary folder is full");
    }

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

private:
    std::filesystem::path folder_, path_;
    int handle_ = -1;
};

/// A safetensors file of these bytes. A first byte that is even means: what follows up to a zero byte is the header,
/// whose length is set right, and the rest is data; so mutations reach what lies behind the length field.
inline std::string safetensors_bytes(std::span<const std::uint8_t> bytes) {
    if (bytes.empty()) return {};
    std::string text(bytes.begin() + 1, bytes.end());
    if (bytes[0] % 2 != 0) return text;
    const std::size_t zero = std::min(text.find('\0'), text.size());
    std::string header = text.substr(0, zero);
    header.resize((header.size() + 7) / 8 * 8, ' ');
    std::uint64_t length = header.size();
    std::string made(reinterpret_cast<const char*>(&length), sizeof length);
    return made + header + (zero < text.size() ? text.substr(zero + 1) : std::string());
}

inline std::span<const std::uint8_t> as_bytes(const std::string& text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace modalconflict::fuzz
