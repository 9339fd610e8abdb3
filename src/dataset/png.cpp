#include <modalconflict/dataset/scene.hpp>
#include <modalconflict/error.hpp>

#include <png.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>

namespace modalconflict::dataset {
namespace {

struct FileCloser {
    void operator()(std::FILE* file) const { std::fclose(file); }
};

[[noreturn]] void fail(const std::string& path, const std::string& partial, const std::string& why) {
    std::error_code ignored;
    std::filesystem::remove(partial, ignored);
    throw IoError("cannot write the image '" + path + "': " + why + "; check the folder's permissions and free space");
}

void to_buffer(png_structp png, png_bytep data, png_size_t size) {
    auto* out = static_cast<std::vector<std::uint8_t>*>(png_get_io_ptr(png));
    try {
        out->insert(out->end(), data, data + size);
    } catch (const std::bad_alloc&) {
        png_error(png, "out of memory");
    }
}

// libpng reports errors by longjmp: nothing with a destructor is made between setjmp and its return.
bool encode(const Image& image, std::vector<std::uint8_t>& out) {
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
    png_infop info = png != nullptr ? png_create_info_struct(png) : nullptr;
    if (info == nullptr || setjmp(png_jmpbuf(png)) != 0) {  // NOLINT(cert-err52-cpp): libpng's own way
        png_destroy_write_struct(&png, &info);
        return false;
    }
    png_set_write_fn(png, &out, to_buffer, nullptr);
    png_set_IHDR(png, info, static_cast<png_uint_32>(image.width), static_cast<png_uint_32>(image.height), 8,
                 PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    // Flat figures: runs of equal bytes shrink as well at level 2 without a filter as at 9 with all, in a tenth of the time.
    png_set_compression_level(png, 2);
    png_set_filter(png, 0, PNG_FILTER_NONE);
    png_write_info(png, info);
    const std::size_t stride = static_cast<std::size_t>(image.width) * 3;
    for (int y = 0; y < image.height; ++y) {
        png_write_row(png, image.pixels.data() + static_cast<std::size_t>(y) * stride);
    }
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    return true;
}

}  // namespace

void write_png(const Image& image, const std::string& path) {
    if (image.width < 1 || image.height < 1 ||
        image.pixels.size() != static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height) * 3) {
        throw InvalidArgument("write_png: the image holds " + std::to_string(image.pixels.size()) + " bytes, not width x height x 3");
    }
    std::vector<std::uint8_t> bytes;
    const std::string partial = path + ".part";
    if (!encode(image, bytes)) fail(path, partial, "libpng could not encode it");
    std::unique_ptr<std::FILE, FileCloser> file(std::fopen(partial.c_str(), "wb"));
    if (!file) fail(path, partial, std::strerror(errno));
    const bool written = std::fwrite(bytes.data(), 1, bytes.size(), file.get()) == bytes.size();
    // A full disk may show only when the buffer is flushed.
    if (!written || std::fflush(file.get()) != 0) fail(path, partial, std::strerror(errno));
    file.reset();
    if (std::rename(partial.c_str(), path.c_str()) != 0) fail(path, partial, std::strerror(errno));
}

}  // namespace modalconflict::dataset
