#include <modalconflict/dataset/color_recognition.hpp>
#include <modalconflict/error.hpp>

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

using namespace modalconflict::dataset;
using modalconflict::InvalidArgument;
using modalconflict::IoError;

namespace {

std::filesystem::path fresh_folder(const char* name) {
    auto path = std::filesystem::temp_directory_path() / (std::string("modalconflict_") + name + std::to_string(::getpid()));
    std::filesystem::remove_all(path);
    return path;
}

std::string bytes(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST(ColorVisionTiers, AreThePublishedFourteen) {
    const auto& tiers = color_vision_tiers();
    ASSERT_EQ(tiers.size(), 14U);
    const int distractors[] = {0, 1, 2, 3, 4, 7, 10, 7, 11, 20, 30, 40, 55, 70};
    const int occlusion[] = {0, 0, 0, 0, 0, 50, 80, 50, 80, 30, 60, 50, 60, 70};
    for (std::size_t i = 0; i < 14; ++i) {
        EXPECT_EQ(tiers[i].distractors, distractors[i]) << i;
        EXPECT_EQ(tiers[i].occlusion_percent, occlusion[i]) << i;
        EXPECT_EQ(tiers[i].width, i < 5 ? 800 : 224) << i;
    }
}

TEST(ColorGroup, EachBlockOfSixUsesEveryColourOnce) {
    const ColorRecognitionOptions options{12, 99, 0.6};
    for (int block = 0; block < 2; ++block) {
        std::set<std::string> vision, text;
        for (int i = 0; i < 6; ++i) {
            const ColorGroup group = color_group(options, block * 6 + i);
            EXPECT_NE(group.answer_text, group.answer_vision);
            vision.insert(group.answer_vision);
            text.insert(group.answer_text);
        }
        EXPECT_EQ(vision.size(), 6U);
        EXPECT_EQ(text.size(), 6U);
    }
}

TEST(ColorScene, OcclusionCountIsRoundedHalfUp) {
    const ColorRecognitionOptions options{1, 5, 0.6};
    const ColorGroup group = color_group(options, 0);
    EXPECT_EQ(color_scene(options, group, 5).occluding, 4);   // 50 % of 7 is 3.5
    EXPECT_EQ(color_scene(options, group, 8).occluding, 9);   // 80 % of 11 is 8.8
    EXPECT_EQ(color_scene(options, group, 13).occluding, 49);  // 70 % of 70
    for (int d_v = 0; d_v < 14; ++d_v) {
        const ColorScene made = color_scene(options, group, d_v);
        EXPECT_EQ(made.measure.overlapping, made.occluding) << d_v;
        EXPECT_GE(made.measure.visible_fraction, 0.6) << d_v;
        EXPECT_EQ(made.scene.objects[made.scene.target].shape, group.target) << d_v;
    }
}

TEST(ColorText, ParaphraseDiffersAndTiersAreChecked) {
    const ColorRecognitionOptions options{3, 1, 0.6};
    const ColorGroup group = color_group(options, 2);
    for (int d_t = 0; d_t < kColorTextTiers; ++d_t) {
        const ColorText made = color_text(options, group, d_t);
        EXPECT_NE(made.text, made.paraphrase);
        EXPECT_NE(made.text.find(name(group.target)), std::string::npos);
    }
    EXPECT_THROW((void)color_text(options, group, 3), InvalidArgument);
    EXPECT_THROW((void)color_scene(options, group, 14), InvalidArgument);
    EXPECT_EQ(color_question(options, group), "What color is the " + std::string(name(group.target)) + "? Answer in one word.");
}

TEST(WriteColorImages, FilesDoNotDependOnThreads) {
    const ColorRecognitionOptions options{3, 42, 0.6};
    const auto one = fresh_folder("one"), three = fresh_folder("three");
    std::int64_t calls = 0;
    const auto rows = write_color_images(options, one.string(), 1, [&](std::int64_t) { ++calls; return true; });
    const auto again = write_color_images(options, three.string(), 3);
    EXPECT_EQ(calls, 3);
    ASSERT_EQ(rows.size(), 42U);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        EXPECT_EQ(rows[i].pixel_sha256, again[i].pixel_sha256);
        EXPECT_EQ(bytes(one / rows[i].path), bytes(three / again[i].path));
        EXPECT_FALSE(bytes(one / rows[i].path).empty());
    }
    std::filesystem::remove_all(one);
    std::filesystem::remove_all(three);
}

TEST(WriteColorImages, StopsWhenAsked) {
    const auto folder = fresh_folder("stop");
    (void)write_color_images(ColorRecognitionOptions{50, 1, 0.6}, folder.string(), 1, [](std::int64_t) { return false; });
    EXPECT_TRUE(std::filesystem::exists(folder / "images/00000/v13.png"));
    EXPECT_FALSE(std::filesystem::exists(folder / "images/00001"));
    std::filesystem::remove_all(folder);
}

TEST(WriteColorImages, RefusesBadArguments) {
    EXPECT_THROW((void)write_color_images(ColorRecognitionOptions{0, 1, 0.6}, "x"), InvalidArgument);
    EXPECT_THROW((void)write_color_images(ColorRecognitionOptions{1, 1, 1.5}, "x"), InvalidArgument);
    EXPECT_THROW((void)write_color_images(ColorRecognitionOptions{1, 1, 0.6}, "x", -1), InvalidArgument);
    EXPECT_THROW((void)write_color_images(ColorRecognitionOptions{1, 1, 0.6}, "/dev/null/x", 1), IoError);
}
