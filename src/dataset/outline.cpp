#include "dataset/outline.hpp"

#include <modalconflict/error.hpp>

#include <opencv2/imgproc.hpp>

#include <array>
#include <cstring>

namespace modalconflict::dataset {
namespace {

// Outlines are integers around (0, 0), the half side being kUnit: no trigonometry at run time, so no last-bit differences.
constexpr int kUnit = 4096;
using Outline = std::vector<cv::Point>;

// 4096·sin of 0..90° in sixteenths.
constexpr std::array<int, 17> kSine = {0,    401,  799,  1189, 1567, 1931, 2276, 2598, 2896,
                                       3166, 3406, 3612, 3784, 3920, 4017, 4076, 4096};

int sine64(int step) {  // step: 64ths of a turn
    step &= 63;
    if (step < 16) return kSine[static_cast<std::size_t>(step)];
    if (step < 32) return kSine[static_cast<std::size_t>(32 - step)];
    if (step < 48) return -kSine[static_cast<std::size_t>(step - 32)];
    return -kSine[static_cast<std::size_t>(64 - step)];
}
int cosine64(int step) { return sine64(step + 16); }

Outline circle() {
    Outline points;
    for (int i = 0; i < 64; ++i) points.emplace_back(cosine64(i), sine64(i));
    return points;
}

// Most of a disc, less a disc of 0.8 of its radius that is shifted to the right.
Outline crescent() {
    Outline points;
    for (int i = 8; i <= 56; ++i) points.emplace_back(cosine64(i), sine64(i));
    for (int i = 54; i >= 10; --i) {
        points.emplace_back(1740 + cosine64(i) * 4 / 5, sine64(i) * 4 / 5);
    }
    return points;
}

// Two discs of half the width above a triangle, traced as one outline.
Outline heart() {
    Outline points;
    const int r = kUnit / 2;
    const int top = -1300;
    for (int i = 30; i <= 64; ++i) points.emplace_back(-r + cosine64(i) / 2, top + sine64(i) / 2);
    for (int i = 32; i <= 66; ++i) points.emplace_back(r + cosine64(i) / 2, top + sine64(i) / 2);
    points.emplace_back(0, 3900);
    return points;
}

const Outline& outline(Shape shape) {
    static const std::array<Outline, kShapeCount> outlines = {{
        circle(),
        {{-3700, -3700}, {3700, -3700}, {3700, 3700}, {-3700, 3700}},
        {{0, -3900}, {4096, 3300}, {-4096, 3300}},
        {{0, -4096}, {1011, -1392}, {3896, -1266}, {1636, 532}, {2408, 3314},
         {0, 1720}, {-2408, 3314}, {-1636, 532}, {-3896, -1266}, {-1011, -1392}},
        {{-1350, -4096}, {1350, -4096}, {1350, -1350}, {4096, -1350}, {4096, 1350}, {1350, 1350},
         {1350, 4096}, {-1350, 4096}, {-1350, 1350}, {-4096, 1350}, {-4096, -1350}, {-1350, -1350}},
        {{0, -4096}, {2700, 0}, {0, 4096}, {-2700, 0}},
        heart(),
        crescent(),
        {{4096, 0}, {800, -3300}, {800, -1350}, {-4096, -1350}, {-4096, 1350}, {800, 1350}, {800, 3300}},
        {{4096, 0}, {2048, 3547}, {-2048, 3547}, {-4096, 0}, {-2048, -3547}, {2048, -3547}},
    }};
    return outlines[static_cast<std::size_t>(shape)];
}

int floor_div(int value, int by) { return value >= 0 ? value / by : -((-value + by - 1) / by); }

}  // namespace

cv::Rect cover_box(const SceneObject& object, int width, int height) {
    if (object.side_x16 <= 0) throw InvalidArgument("scene: an object's side is not positive; give it at least 1/16 pixel");
    const int half = object.side_x16 / 2;
    const int left = floor_div(object.center_x16 - half, kSubpixels) - 1;
    const int top = floor_div(object.center_y16 - half, kSubpixels) - 1;
    const int right = floor_div(object.center_x16 + half, kSubpixels) + 2;
    const int bottom = floor_div(object.center_y16 + half, kSubpixels) + 2;
    return cv::Rect(left, top, right - left, bottom - top) & cv::Rect(0, 0, width, height);
}

Coverage cover(const SceneObject& object, int width, int height) {
    const cv::Rect box = cover_box(object, width, height);
    if (box.empty()) return {box, {}};
    const int half = object.side_x16 / 2;

    // Drawn four times as large inside its own box, then counted: cost follows the figure, not the canvas.
    constexpr int kScale = 4;
    cv::Mat samples(box.height * kScale, box.width * kScale, CV_8UC1, cv::Scalar(0));
    std::vector<cv::Point> points;
    for (const cv::Point& corner : outline(object.shape)) {
        // In 1/16 px of the picture, hence 1/4 of a sample; rounded to whole samples.
        const int x16 = object.center_x16 + floor_div(corner.x * half + kUnit / 2, kUnit) - box.x * kSubpixels;
        const int y16 = object.center_y16 + floor_div(corner.y * half + kUnit / 2, kUnit) - box.y * kSubpixels;
        points.emplace_back(floor_div(x16 + 2, kSubpixels / kScale), floor_div(y16 + 2, kSubpixels / kScale));
    }
    cv::fillPoly(samples, std::vector<std::vector<cv::Point>>{points}, cv::Scalar(1), cv::LINE_8);

    cv::Mat alpha(box.size(), CV_8UC1);
    for (int y = 0; y < box.height; ++y) {
        auto* out = alpha.ptr<std::uint8_t>(y);
        const std::uint8_t* rows[kScale];
        for (int i = 0; i < kScale; ++i) rows[i] = samples.ptr<std::uint8_t>(y * kScale + i);
        for (int x = 0; x < box.width; ++x) {
            // Four samples, each 0 or 1, are one number; the product gathers its four bytes' sum in the topmost.
            std::uint32_t sum = 0;
            for (const auto* row : rows) {
                std::uint32_t four = 0;
                std::memcpy(&four, row + std::ptrdiff_t{x} * kScale, sizeof four);
                sum += four;
            }
            out[x] = static_cast<std::uint8_t>((sum * 0x01010101U) >> 24U);
        }
    }
    return {box, alpha};
}

cv::Mat owned_pixels(const cv::Mat& alpha) {
    cv::Mat owned;
    cv::compare(alpha, static_cast<double>(kOwned), owned, cv::CMP_GE);
    return owned;
}

}  // namespace modalconflict::dataset
