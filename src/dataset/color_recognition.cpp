#include <modalconflict/dataset/color_recognition.hpp>
#include <modalconflict/dataset/random.hpp>
#include <modalconflict/error.hpp>

#include "dataset/outline.hpp"
#include "dataset/streams.hpp"

#include <optional>

namespace modalconflict::dataset {
namespace {

template <typename T, std::size_t N>
std::vector<T> shuffled(Random& random) {
    std::vector<T> values;
    for (std::size_t i = 0; i < N; ++i) values.push_back(static_cast<T>(i));
    random.shuffle(values);
    return values;
}

struct Answers {
    Color vision, text;
};

// One block of six groups: a permutation for the images and a derangement of it for the texts.
Answers answers_of(std::uint64_t seed, std::uint64_t index) {
    Random random(seed, {streams::kAnswers, index / kColorCount});
    const auto vision = shuffled<Color, kColorCount>(random);
    for (;;) {
        const auto text = shuffled<Color, kColorCount>(random);
        bool deranged = true;
        for (std::size_t i = 0; i < kColorCount; ++i) deranged &= vision[i] != text[i];
        if (deranged) return {vision[index % kColorCount], text[index % kColorCount]};
    }
}

Shape target_of(std::uint64_t seed, std::uint64_t index) {
    Random random(seed, {streams::kShapes, index / kShapeCount});
    return shuffled<Shape, kShapeCount>(random)[index % kShapeCount];
}

const VisionTier& vision_tier(int d_v) {
    const auto& tiers = color_vision_tiers();
    if (d_v < 0 || static_cast<std::size_t>(d_v) >= tiers.size()) {
        throw InvalidArgument("color_scene: visual tier d_v " + std::to_string(d_v) + " is not known; Color Recognition has 0 to 13");
    }
    return tiers[static_cast<std::size_t>(d_v)];
}

// Places figures one by one; every random choice comes from the scene's own stream.
class Placer {
public:
    Placer(const VisionTier& tier, const ColorGroup& group, double min_visible, Random& random)
        : tier_(tier), min_visible_(min_visible), random_(random) {
        for (std::size_t i = 0; i < kShapeCount; ++i) {
            const auto shape = static_cast<Shape>(i);
            if (shape != group.target && shape != group.helper) shapes_.push_back(shape);
        }
        for (std::size_t i = 0; i < kColorCount; ++i) {
            const auto color = static_cast<Color>(i);
            if (color != group.answer_vision && color != group.answer_text) colors_.push_back(color);
        }
        const int side = side_between(tier.target_side_min, tier.target_side_max);
        target_ = {group.target, group.answer_vision, center(tier.width, side), center(tier.height, side), side};
        target_cover_ = cover(target_, tier.width, tier.height);
        owned_ = target_cover_.alpha >= kOwned;
        hidden_ = cv::Mat::zeros(owned_.size(), CV_8UC1);
        boxes_.push_back(target_cover_.box);
    }

    /// nullopt when the figures do not fit: the caller starts the scene anew.
    std::optional<Scene> place(int overlapping) {
        std::vector<SceneObject> behind, before;
        for (int i = 0; i < tier_.distractors; ++i) {
            const bool wanted = i < overlapping;
            bool placed = false;
            for (int attempt = 0; attempt < kAttempts && !placed; ++attempt) {
                const SceneObject object = wanted ? near_target() : anywhere();
                const Coverage theirs = cover(object, tier_.width, tier_.height);
                const cv::Mat shared = shared_with_target(theirs);
                if (!shared.empty() != wanted || (tier_.separate && touches_any(theirs.box))) continue;
                const bool in_front = wanted && random_.below(2) == 0 && stays_visible(shared);
                (in_front || (!wanted && random_.below(2) == 0) ? before : behind).push_back(object);
                boxes_.push_back(theirs.box);
                placed = true;
            }
            if (!placed) return std::nullopt;
        }
        random_.shuffle(behind);
        Scene scene{tier_.width, tier_.height, behind, behind.size()};
        scene.objects.push_back(target_);
        scene.objects.insert(scene.objects.end(), before.begin(), before.end());
        return scene;
    }

private:
    static constexpr int kAttempts = 400;

    int side_between(int low, int high) {
        return static_cast<int>(random_.between(std::int64_t{low} * kSubpixels, std::int64_t{high} * kSubpixels));
    }
    int center(int extent, int side) {
        const int half = side / 2 + kSubpixels;  // one clear pixel to the border
        return static_cast<int>(random_.between(half, extent * kSubpixels - half));
    }
    SceneObject dressed(int side) { return {random_.pick(shapes_), random_.pick(colors_), 0, 0, side}; }

    SceneObject anywhere() {
        SceneObject object = dressed(side_between(tier_.distractor_side_min, tier_.distractor_side_max));
        object.center_x16 = center(tier_.width, object.side_x16);
        object.center_y16 = center(tier_.height, object.side_x16);
        return object;
    }
    SceneObject near_target() {
        SceneObject object = dressed(side_between(tier_.distractor_side_min, tier_.distractor_side_max));
        const int reach = (object.side_x16 + target_.side_x16) / 2;
        object.center_x16 = target_.center_x16 + static_cast<int>(random_.between(-reach, reach));
        object.center_y16 = target_.center_y16 + static_cast<int>(random_.between(-reach, reach));
        return object;
    }

    /// The target's pixels that the other figure covers too, as a mask over the target's box; empty when there are none.
    [[nodiscard]] cv::Mat shared_with_target(const Coverage& theirs) const {
        const cv::Rect common = target_cover_.box & theirs.box;
        if (common.empty()) return {};
        cv::Mat shared = cv::Mat::zeros(owned_.size(), CV_8UC1);
        const cv::Rect inside = common - target_cover_.box.tl();
        cv::bitwise_and(owned_(inside), theirs.alpha(common - theirs.box.tl()) >= kOwned, shared(inside));
        return cv::countNonZero(shared) > 0 ? shared : cv::Mat{};
    }
    bool stays_visible(const cv::Mat& shared) {
        cv::Mat hidden;
        cv::bitwise_or(hidden_, shared, hidden);
        const double visible = 1.0 - static_cast<double>(cv::countNonZero(hidden)) / cv::countNonZero(owned_);
        if (visible < min_visible_) return false;
        hidden_ = hidden;
        return true;
    }
    [[nodiscard]] bool touches_any(const cv::Rect& box) const {
        for (const auto& other : boxes_) {
            if (!(box & other).empty()) return true;
        }
        return false;
    }

    const VisionTier& tier_;
    double min_visible_;
    Random& random_;
    std::vector<Shape> shapes_;
    std::vector<Color> colors_;
    SceneObject target_;
    Coverage target_cover_;
    cv::Mat owned_, hidden_;
    std::vector<cv::Rect> boxes_;
};

}  // namespace

const std::vector<VisionTier>& color_vision_tiers() {
    static const std::vector<VisionTier> tiers = [] {
        std::vector<VisionTier> made;
        for (int n = 0; n <= 4; ++n) made.push_back({800, 600, 80, 200, 60, 160, n, 0, true});
        made.push_back({224, 224, 45, 89, 24, 48, 7, 50, false});
        made.push_back({224, 224, 45, 89, 24, 48, 10, 80, false});
        made.push_back({224, 224, 12, 22, 10, 24, 7, 50, false});
        made.push_back({224, 224, 12, 22, 10, 24, 11, 80, false});
        const int counts[] = {20, 30, 40, 55, 70};
        const int rates[] = {30, 60, 50, 60, 70};
        for (int i = 0; i < 5; ++i) made.push_back({224, 224, 9, 13, 8, 16, counts[i], rates[i], false});
        return made;
    }();
    return tiers;
}

ColorGroup color_group(const ColorRecognitionOptions& options, std::int64_t index) {
    if (options.groups < 1) throw InvalidArgument("color_recognition: groups is " + std::to_string(options.groups) + "; it must be at least 1");
    if (index < 0 || index >= options.groups) {
        throw InvalidArgument("color_group: group " + std::to_string(index) + " is outside 0 to " + std::to_string(options.groups - 1));
    }
    if (!(options.min_visible_fraction >= 0.0 && options.min_visible_fraction <= 1.0)) {
        throw InvalidArgument("color_recognition: min_visible_fraction must lie within 0 and 1");
    }
    const auto position = static_cast<std::uint64_t>(index);
    ColorGroup group;
    group.index = index;
    group.target = target_of(options.seed, position);
    const Answers answers = answers_of(options.seed, position);
    group.answer_vision = answers.vision;
    group.answer_text = answers.text;
    Random random(options.seed, {streams::kGroup, position});
    do {
        group.helper = static_cast<Shape>(random.below(kShapeCount));
    } while (group.helper == group.target);
    group.entity = random.pick(entities(group.answer_text));
    return group;
}

ColorScene color_scene(const ColorRecognitionOptions& options, const ColorGroup& group, int d_v) {
    const VisionTier& tier = vision_tier(d_v);
    // Round half up in integers: 0.5 of 7 distractors is 3.5, hence 4.
    const int overlapping = (tier.distractors * tier.occlusion_percent * 2 + 100) / 200;
    for (std::uint64_t attempt = 0;; ++attempt) {
        if (attempt == 1000) {
            throw InvalidArgument("color_scene: the figures of tier " + std::to_string(d_v) + " do not fit on its canvas; use fewer or smaller ones");
        }
        Random random(options.seed, {streams::kScene, static_cast<std::uint64_t>(group.index), static_cast<std::uint64_t>(d_v), attempt});
        auto scene = Placer(tier, group, options.min_visible_fraction, random).place(overlapping);
        if (!scene) continue;
        const SceneMeasure found = measure(*scene);
        return {std::move(*scene), found, overlapping};
    }
}

}  // namespace modalconflict::dataset
