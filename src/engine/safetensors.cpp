#include <modalconflict/engine/safetensors.hpp>

#include "engine/parse_json.hpp"

#include <modalconflict/error.hpp>

#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>
#include <optional>
#include <utility>

namespace modalconflict {
namespace {

using nlohmann::json;

static_assert(std::endian::native == std::endian::little, "safetensors data are little-endian");

constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kMaxHeaderBytes = std::size_t{100} << 20U;  // the bound of the format's reference reader
constexpr std::size_t kMaxDimensions = 16;

constexpr std::pair<std::string_view, DType> kNames[] = {
    {"F32", DType::float32}, {"F16", DType::float16}, {"BF16", DType::bfloat16}, {"F64", DType::float64},
    {"I64", DType::int64}, {"I32", DType::int32}, {"I16", DType::int16}, {"I8", DType::int8},
    {"U8", DType::uint8}, {"BOOL", DType::boolean}};

[[noreturn]] void malformed(const std::filesystem::path& path, const std::string& what) {
    throw IoError("'" + path.string() + "' is no readable safetensors file: " + what + "; write it again");
}

class Mapping {
public:
    Mapping(const std::filesystem::path& path) {
        const int handle = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        if (handle < 0) throw IoError("cannot open '" + path.string() + "'; check that it exists and is readable");
        struct stat status {};
        if (::fstat(handle, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0) {
            size_ = static_cast<std::size_t>(status.st_size);
            // Private and writable: a program that wrote into its weights by mistake would not reach the file.
            data_ = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, handle, 0);
        }
        ::close(handle);
        if (size_ == 0) malformed(path, "it is empty or no plain file");
        if (data_ == MAP_FAILED) throw IoError("cannot map '" + path.string() + "' into memory; free some and try again");
    }
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping() {
        if (data_ != MAP_FAILED) ::munmap(data_, size_);
    }

    [[nodiscard]] const char* data() const { return static_cast<const char*>(data_); }
    [[nodiscard]] std::size_t size() const { return size_; }

private:
    void* data_ = MAP_FAILED;
    std::size_t size_ = 0;
};

std::uint64_t unsigned_number(const json& value, const std::filesystem::path& path, const std::string& what) {
    if (!value.is_number_unsigned()) malformed(path, what + " is no non-negative integer");
    return value.get<std::uint64_t>();
}

// Elements of a shape, or nothing when their bytes would not fit the file: no product may wrap around.
std::optional<std::uint64_t> bytes_of(const std::vector<std::int64_t>& shape, std::uint64_t item, std::uint64_t limit) {
    std::uint64_t bytes = item;
    bool empty = false;
    for (const auto extent : shape) {
        if (extent == 0) empty = true;
    }
    if (empty) return 0;
    for (const auto extent : shape) {
        if (static_cast<std::uint64_t>(extent) > limit / bytes) return std::nullopt;
        bytes *= static_cast<std::uint64_t>(extent);
    }
    return bytes;
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : path_(path) {
    auto mapping = std::make_shared<Mapping>(path);
    parse_header(mapping->data(), mapping->size());
    mapping_ = std::move(mapping);
}

void SafetensorsFile::parse_header(const char* begin, std::size_t file_bytes) {
    if (file_bytes < kLengthBytes) malformed(path_, "it is shorter than its header's length field");
    std::uint64_t header_bytes = 0;
    std::memcpy(&header_bytes, begin, kLengthBytes);
    if (header_bytes > kMaxHeaderBytes || header_bytes > file_bytes - kLengthBytes) {
        malformed(path_, "its header claims " + std::to_string(header_bytes) + " bytes in a file of " +
                             std::to_string(file_bytes));
    }
    const auto document = parse_json({begin + kLengthBytes, static_cast<std::size_t>(header_bytes)});
    if (!document || !document->is_object()) malformed(path_, "its header is no JSON object");
    const json& header = *document;

    const char* data = begin + kLengthBytes + header_bytes;
    const std::uint64_t data_bytes = file_bytes - kLengthBytes - header_bytes;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> extents;
    for (const auto& [name, entry] : header.items()) {
        if (name == "__metadata__") {
            if (!entry.is_object()) malformed(path_, "its metadata are no JSON object");
            for (const auto& [key, value] : entry.items()) {
                if (!value.is_string()) malformed(path_, "its metadata entry '" + key + "' is no string");
                metadata_[key] = value.get<std::string>();
            }
            continue;
        }
        const std::string where = "tensor '" + name + "'";
        if (!entry.is_object() || !entry.contains("dtype") || !entry.contains("shape") || !entry.contains("data_offsets")) {
            malformed(path_, where + " lacks dtype, shape or data_offsets");
        }
        const auto& dtype = entry["dtype"];
        const auto& shape = entry["shape"];
        const auto& offsets = entry["data_offsets"];
        if (!dtype.is_string() || !shape.is_array() || shape.size() > kMaxDimensions || !offsets.is_array() ||
            offsets.size() != 2) {
            malformed(path_, where + " has a dtype, shape or data_offsets of the wrong kind");
        }
        const auto* known = std::find_if(std::begin(kNames), std::end(kNames),
                                         [&](const auto& pair) { return pair.first == dtype.get<std::string>(); });
        if (known == std::end(kNames)) malformed(path_, where + " has the unknown dtype " + dtype.dump());
        TensorView view{nullptr, known->second, {}};
        for (const auto& extent : shape) {
            const auto value = unsigned_number(extent, path_, "an extent of " + where);
            if (value > static_cast<std::uint64_t>(INT64_MAX)) malformed(path_, where + " has an extent beyond any file");
            view.shape.push_back(static_cast<std::int64_t>(value));
        }
        const auto first = unsigned_number(offsets[0], path_, "an offset of " + where);
        const auto last = unsigned_number(offsets[1], path_, "an offset of " + where);
        if (first > last || last > data_bytes) {
            malformed(path_, where + " ends at byte " + std::to_string(last) + " of " + std::to_string(data_bytes) +
                                 " (truncated?)");
        }
        if (bytes_of(view.shape, item_size(view.dtype), data_bytes) != last - first) {
            malformed(path_, where + " of shape " + shape_text(view.shape) + " does not fill its " +
                                 std::to_string(last - first) + " bytes");
        }
        view.data = data + first;
        if (reinterpret_cast<std::uintptr_t>(view.data) % item_size(view.dtype) != 0) {
            malformed(path_, where + " is not aligned to its elements");
        }
        if (first != last) extents.emplace_back(first, last);
        tensors_.emplace(name, std::move(view));
    }
    std::sort(extents.begin(), extents.end());
    for (std::size_t i = 1; i < extents.size(); ++i) {
        if (extents[i].first < extents[i - 1].second) malformed(path_, "two of its tensors overlap");
    }
}

const TensorView& SafetensorsFile::tensor(const std::string& name) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) {
        throw IoError("'" + path_.string() + "' holds no tensor '" + name + "'; write the file again with it");
    }
    return found->second;
}

void write_safetensors(const std::filesystem::path& path, const std::map<std::string, TensorView>& tensors,
                       const std::map<std::string, std::string>& metadata) {
    // Wide elements first: each tensor then starts at a multiple of its own element size.
    std::vector<const std::pair<const std::string, TensorView>*> order;
    for (const auto& entry : tensors) order.push_back(&entry);
    std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
        const auto wide = item_size(a->second.dtype), other = item_size(b->second.dtype);
        return wide != other ? wide > other : a->first < b->first;
    });
    json header = json::object();
    if (!metadata.empty()) header["__metadata__"] = metadata;
    std::uint64_t offset = 0;
    for (const auto* entry : order) {
        const auto& view = entry->second;
        const auto* known = std::find_if(std::begin(kNames), std::end(kNames),
                                         [&](const auto& pair) { return pair.second == view.dtype; });
        header[entry->first] = {{"dtype", known->first}, {"shape", view.shape}, {"data_offsets", {offset, offset + view.bytes()}}};
        offset += view.bytes();
    }
    std::string text = header.dump();
    text.resize((text.size() + 7) / 8 * 8, ' ');
    const std::uint64_t length = text.size();

    const std::filesystem::path part = path.string() + ".part";
    std::ofstream stream(part, std::ios::binary | std::ios::trunc);
    const auto put = [&](const void* data, std::size_t size) {
        stream.write(static_cast<const char*>(data), static_cast<std::streamsize>(size));
    };
    put(&length, sizeof length);
    put(text.data(), text.size());
    for (const auto* entry : order) put(entry->second.data, entry->second.bytes());
    stream.close();
    std::error_code failure;
    if (stream) std::filesystem::rename(part, path, failure);
    if (!stream || failure) {
        std::filesystem::remove(part, failure);
        throw IoError("cannot write '" + path.string() + "'; check that its folder exists and has room");
    }
}

}  // namespace modalconflict
