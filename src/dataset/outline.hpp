#pragma once

#include <modalconflict/dataset/scene.hpp>

#include <opencv2/core.hpp>

namespace modalconflict::dataset {

/// Coverage of one figure: alpha counts 0..16 of the samples of each pixel inside box (clipped to the canvas).
struct Coverage {
    cv::Rect box;
    cv::Mat alpha;  // CV_8UC1, box.size()
};

/// A pixel belongs to a figure when at least half of its samples do.
inline constexpr int kSamples = 16;
inline constexpr int kOwned = 8;

/// The box that cover returns: outside of it nothing is covered. Cheap, for most figures lie far from each other.
/// @throws InvalidArgument  if the side is not positive.
[[nodiscard]] cv::Rect cover_box(const SceneObject& object, int width, int height);

[[nodiscard]] Coverage cover(const SceneObject& object, int width, int height);

/// Mask (255 or 0) of the pixels that belong to the figure. By cv::compare: an expression such as `alpha >= kOwned`
/// links the whole of OpenCV's matrix algebra, and LAPACK with it.
[[nodiscard]] cv::Mat owned_pixels(const cv::Mat& alpha);

}  // namespace modalconflict::dataset
