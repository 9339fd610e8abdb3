#include <modalconflict/dataset/color_recognition.hpp>
#include <modalconflict/dataset/random.hpp>
#include <modalconflict/error.hpp>

#include "dataset/outline.hpp"
#include "dataset/streams.hpp"

#include <numeric>
#include <optional>

namespace modalconflict::dataset {
namespace {

template <typename T>
std::vector<T> shuffled(std::vector<T> values, Random& random) {
    random.shuffle(values);
    return values;
}

std::vector<std::size_t> numbers(std::size_t count) {
    std::vector<std::size_t> values(count);
    std::iota(values.begin(), values.end(), std::size_t{0});
    return values;
}

struct Answers {
    std::size_t vision, text;
};

// One block of as many groups as there are colours: a permutation for the images and a derangement of it for the texts.
Answers answers_of(std::uint64_t seed, std::uint64_t index, std::size_t colors) {
    Random random(seed, {streams::kAnswers, index / colors});
    const auto vision = shuffled(numbers(colors), random);
    for (;;) {
        const auto text = shuffled(numbers(colors), random);
        bool deranged = true;
        for (std::size_t i = 0; i < colors; ++i) deranged &= vision[i] != text[i];
        if (deranged) return {vision[index % colors], text[index % colors]};
    }
}

Shape target_of(const ColorRecognitionOptions& options, std::uint64_t index) {
    Random random(options.seed, {streams::kShapes, index / options.shapes.size()});
    return shuffled(options.shapes, random)[index % options.shapes.size()];
}

// Places figures one by one; every random choice comes from the scene's own stream.
class Placer {
public:
    Placer(const ColorRecognitionOptions& options, const VisionTier& tier, const ColorGroup& group, Random& random)
        : tier_(tier), min_visible_(options.min_visible_fraction), random_(random) {
        for (const Shape shape : options.shapes) {
            if (shape != group.target && shape != group.helper) shapes_.push_back(shape);
        }
        Rgb answer{};
        for (const NamedColor& color : options.colors) {
            if (color.name == group.answer_vision) answer = color.rgb;
            if (color.name != group.answer_vision && color.name != group.answer_text) colors_.push_back(color.rgb);
        }
        const int side = side_between(tier.target_side_min, tier.target_side_max);
        target_ = {group.target, answer, center(tier.width, side), center(tier.height, side), side};
        target_cover_ = cover(target_, tier.width, tier.height);
        owned_ = owned_pixels(target_cover_.alpha);
        hidden_ = cv::Mat(owned_.size(), CV_8UC1, cv::Scalar(0));
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
                const cv::Rect box = cover_box(object, tier_.width, tier_.height);
                if (tier_.separate && touches_any(box)) continue;
                const cv::Mat shared = shared_with_target(object, box);
                if (!shared.empty() != wanted) continue;
                const bool in_front = wanted && random_.below(2) == 0 && stays_visible(shared);
                (in_front || (!wanted && random_.below(2) == 0) ? before : behind).push_back(object);
                boxes_.push_back(box);
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
    [[nodiscard]] cv::Mat shared_with_target(const SceneObject& object, const cv::Rect& box) const {
        const cv::Rect common = target_cover_.box & box;
        if (common.empty()) return {};
        const Coverage theirs = cover(object, tier_.width, tier_.height);
        cv::Mat shared(owned_.size(), CV_8UC1, cv::Scalar(0));
        const cv::Rect inside = common - target_cover_.box.tl();
        cv::bitwise_and(owned_(inside), owned_pixels(theirs.alpha(common - theirs.box.tl())), shared(inside));
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
    std::vector<Rgb> colors_;
    SceneObject target_;
    Coverage target_cover_;
    cv::Mat owned_, hidden_;
    std::vector<cv::Rect> boxes_;
};

}  // namespace

ColorGroup color_group(const ColorRecognitionOptions& options, std::int64_t index) {
    validate(options);
    if (index < 0 || index >= options.groups) {
        throw InvalidArgument("color_group: group " + std::to_string(index) + " is outside 0 to " + std::to_string(options.groups - 1));
    }
    const auto position = static_cast<std::uint64_t>(index);
    ColorGroup group;
    group.index = index;
    group.target = target_of(options, position);
    const Answers answers = answers_of(options.seed, position, options.colors.size());
    group.answer_vision = options.colors[answers.vision].name;
    group.answer_text = options.colors[answers.text].name;
    Random random(options.seed, {streams::kGroup, position});
    do {
        group.helper = random.pick(options.shapes);
    } while (group.helper == group.target);
    const auto& entities = options.colors[answers.text].entities;
    if (!entities.empty()) group.entity = random.pick(entities);
    return group;
}

ColorScene color_scene(const ColorRecognitionOptions& options, const ColorGroup& group, int d_v) {
    if (d_v < 0 || static_cast<std::size_t>(d_v) >= options.tiers.size()) {
        throw InvalidArgument("color_scene: visual tier d_v " + std::to_string(d_v) + " is not known; this dataset has 0 to " +
                              std::to_string(options.tiers.size() - 1));
    }
    const VisionTier& tier = options.tiers[static_cast<std::size_t>(d_v)];
    // Round half up in integers: 0.5 of 7 distractors is 3.5, hence 4.
    const int overlapping = (tier.distractors * tier.occlusion_percent * 2 + 100) / 200;
    constexpr std::uint64_t kMaxAttempts = 200;
    for (std::uint64_t attempt = 0; attempt < kMaxAttempts; ++attempt) {
        Random random(options.seed, {streams::kScene, static_cast<std::uint64_t>(group.index), static_cast<std::uint64_t>(d_v), attempt});
        auto scene = Placer(options, tier, group, random).place(overlapping);
        if (!scene) continue;
        const SceneMeasure found = measure(*scene);
        return {std::move(*scene), found, overlapping};
    }
    throw InvalidArgument("color_scene: the figures of tiers[" + std::to_string(d_v) + "] do not fit on its canvas; use fewer or smaller ones");
}

}  // namespace modalconflict::dataset
