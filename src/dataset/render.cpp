#include <modalconflict/dataset/scene.hpp>
#include <modalconflict/error.hpp>

#include "dataset/outline.hpp"

#include <openssl/evp.h>

#include <array>

namespace modalconflict::dataset {
namespace {

void check_canvas(const Scene& scene) {
    constexpr int kMaxSide = 8192;
    if (scene.width < 1 || scene.height < 1 || scene.width > kMaxSide || scene.height > kMaxSide) {
        throw InvalidArgument("scene: the canvas is " + std::to_string(scene.width) + " x " + std::to_string(scene.height) +
                              "; each side must lie within 1 and 8192");
    }
}

void paint(Image& image, const Coverage& coverage, Rgb color) {
    const std::array<int, 3> paint = {color.red, color.green, color.blue};
    for (int y = 0; y < coverage.box.height; ++y) {
        const auto* alpha = coverage.alpha.ptr<std::uint8_t>(y);
        auto* out = image.pixels.data() +
                    (static_cast<std::size_t>(coverage.box.y + y) * static_cast<std::size_t>(image.width) +
                     static_cast<std::size_t>(coverage.box.x)) * 3;
        for (int x = 0; x < coverage.box.width; ++x, out += 3) {
            const int a = alpha[x];
            if (a == 0) continue;
            for (std::size_t c = 0; c < 3; ++c) {
                out[c] = static_cast<std::uint8_t>((out[c] * (kSamples - a) + paint[c] * a + kSamples / 2) / kSamples);
            }
        }
    }
}

}  // namespace

Image render(const Scene& scene) {
    check_canvas(scene);
    Image image{scene.width, scene.height, {}};
    image.pixels.assign(static_cast<std::size_t>(scene.width) * static_cast<std::size_t>(scene.height) * 3, 255);
    for (const SceneObject& object : scene.objects) {
        const Coverage coverage = cover(object, scene.width, scene.height);
        if (!coverage.box.empty()) paint(image, coverage, object.color);
    }
    return image;
}

SceneMeasure measure(const Scene& scene) {
    check_canvas(scene);
    if (scene.target >= scene.objects.size()) {
        throw InvalidArgument("measure: target " + std::to_string(scene.target) + " is not one of the scene's " +
                              std::to_string(scene.objects.size()) + " objects");
    }
    const Coverage target = cover(scene.objects[scene.target], scene.width, scene.height);
    SceneMeasure result;
    if (target.box.empty()) return {0, 0.0};
    const cv::Mat owned = owned_pixels(target.alpha);
    cv::Mat visible = owned.clone();
    const int total = cv::countNonZero(owned);
    for (std::size_t i = 0; i < scene.objects.size(); ++i) {
        if (i == scene.target) continue;
        const cv::Rect shared = target.box & cover_box(scene.objects[i], scene.width, scene.height);
        if (shared.empty()) continue;
        const Coverage other = cover(scene.objects[i], scene.width, scene.height);
        const cv::Rect in_target = shared - target.box.tl();
        const cv::Mat theirs = owned_pixels(other.alpha(shared - other.box.tl()));
        cv::Mat both;
        cv::bitwise_and(owned(in_target), theirs, both);
        if (cv::countNonZero(both) == 0) continue;
        ++result.overlapping;
        if (i > scene.target) visible(in_target).setTo(0, theirs);
    }
    result.visible_fraction = total == 0 ? 0.0 : static_cast<double>(cv::countNonZero(visible)) / total;
    return result;
}

std::string pixel_sha256(const Image& image) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int size = 0;
    if (EVP_Digest(image.pixels.data(), image.pixels.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) {
        throw IoError("pixel_sha256: OpenSSL refused SHA-256; check the OpenSSL installation");
    }
    static constexpr char kHex[] = "0123456789abcdef";
    std::string text;
    for (unsigned int i = 0; i < size; ++i) {
        text += kHex[digest[i] >> 4U];
        text += kHex[digest[i] & 15U];
    }
    return text;
}

}  // namespace modalconflict::dataset
