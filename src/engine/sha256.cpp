#include <modalconflict/engine/sha256.hpp>

#include <modalconflict/error.hpp>

#include <openssl/evp.h>

#include <array>
#include <fstream>
#include <memory>
#include <vector>

namespace modalconflict {
namespace {

class Digest {
public:
    Digest() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
        check(context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
    }

    void add(const void* data, std::size_t size) { check(EVP_DigestUpdate(context_.get(), data, size) == 1); }

    std::string hex() {
        std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
        unsigned int count = 0;
        check(EVP_DigestFinal_ex(context_.get(), bytes.data(), &count) == 1);
        constexpr std::string_view kDigits = "0123456789abcdef";
        std::string text;
        for (unsigned int i = 0; i < count; ++i) {
            text += kDigits[bytes[i] >> 4U];
            text += kDigits[bytes[i] & 15U];
        }
        return text;
    }

private:
    static void check(bool ok) {
        if (!ok) throw IoError("OpenSSL offers no SHA-256 here; check the installation of OpenSSL");
    }

    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace

std::string sha256_hex(std::span<const std::byte> bytes) {
    Digest digest;
    digest.add(bytes.data(), bytes.size());
    return digest.hex();
}

std::string sha256_file(const std::filesystem::path& path) {
    std::ifstream stream(path, std::ios::binary);
    if (!stream) throw IoError("cannot open '" + path.string() + "'; check that it exists and is readable");
    Digest digest;
    std::vector<char> buffer(std::size_t{1} << 20U);
    while (stream) {
        stream.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
        digest.add(buffer.data(), static_cast<std::size_t>(stream.gcount()));
    }
    if (stream.bad()) throw IoError("reading '" + path.string() + "' failed; check the disk it lies on");
    return digest.hex();
}

}  // namespace modalconflict
