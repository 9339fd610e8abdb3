#pragma once

#include <filesystem>
#include <span>
#include <string>

namespace modalconflict {

/// SHA-256 of a byte string, 64 lower-case hexadecimal digits (FIPS 180-4).
[[nodiscard]] std::string sha256_hex(std::span<const std::byte> bytes);

/// SHA-256 of a file's content, read in pieces.
/// @throws IoError  if the file cannot be read.
[[nodiscard]] std::string sha256_file(const std::filesystem::path& path);

}  // namespace modalconflict
