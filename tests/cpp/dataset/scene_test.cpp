#include <modalconflict/dataset/scene.hpp>
#include <modalconflict/error.hpp>

#include <gtest/gtest.h>
#include <png.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <unistd.h>

using namespace modalconflict::dataset;
using modalconflict::InvalidArgument;
using modalconflict::IoError;

namespace {

SceneObject at(Shape shape, Color color, int x, int y, int side) {
    return {shape, rgb(color), x * kSubpixels, y * kSubpixels, side * kSubpixels};
}

Rgb pixel(const Image& image, int x, int y) {
    const auto* p = image.pixels.data() + (static_cast<std::size_t>(y) * static_cast<std::size_t>(image.width) + static_cast<std::size_t>(x)) * 3;
    return {p[0], p[1], p[2]};
}

// Share of the shape's bounding square that it fills, counted on the picture.
double filled(Shape shape) {
    const Scene scene{240, 240, {at(shape, Color::blue, 120, 120, 200)}, 0};
    const Image image = render(scene);
    int count = 0;
    for (int y = 0; y < 240; ++y) {
        for (int x = 0; x < 240; ++x) count += pixel(image, x, y) == rgb(Color::blue) ? 1 : 0;
    }
    return count / (200.0 * 200.0);
}

}  // namespace

TEST(Vocabulary, NamesAndValuesGoBothWays) {
    for (std::size_t i = 0; i < kColorCount; ++i) EXPECT_EQ(color_from_name(name(static_cast<Color>(i))), static_cast<Color>(i));
    for (std::size_t i = 0; i < kShapeCount; ++i) EXPECT_EQ(shape_from_name(name(static_cast<Shape>(i))), static_cast<Shape>(i));
    EXPECT_THROW((void)color_from_name("pink"), InvalidArgument);
    EXPECT_THROW((void)shape_from_name(""), InvalidArgument);
    for (std::size_t i = 0; i < kColorCount; ++i) EXPECT_GE(entities(static_cast<Color>(i)).size(), 12U);
}

TEST(Render, EmptySceneIsWhite) {
    const Image image = render({5, 3, {}, 0});
    EXPECT_EQ(image.pixels, std::vector<std::uint8_t>(45, 255));
}

TEST(Render, AreasAreThoseOfGeometry) {
    // Shares of the bounding square: pi/4, the regular hexagon's 3*sqrt(3)/8; the square is inset by 3700/4096.
    EXPECT_NEAR(filled(Shape::circle), 0.7854, 0.02);
    EXPECT_NEAR(filled(Shape::hexagon), 0.6495, 0.02);
    EXPECT_NEAR(filled(Shape::square), 0.8160, 0.02);
}

TEST(Render, ShapesDifferFromEachOther) {
    for (std::size_t a = 0; a < kShapeCount; ++a) {
        for (std::size_t b = a + 1; b < kShapeCount; ++b) {
            const auto draw = [](std::size_t shape) {
                return render({24, 24, {at(static_cast<Shape>(shape), Color::red, 12, 12, 18)}, 0}).pixels;
            };
            EXPECT_NE(draw(a), draw(b)) << name(static_cast<Shape>(a)) << " and " << name(static_cast<Shape>(b));
        }
    }
}

TEST(Render, LaterObjectsStandInFront) {
    const Scene scene{64, 64, {at(Shape::square, Color::red, 32, 32, 40), at(Shape::circle, Color::green, 32, 32, 20)}, 0};
    const Image image = render(scene);
    EXPECT_EQ(pixel(image, 32, 32), rgb(Color::green));
    EXPECT_EQ(pixel(image, 18, 18), rgb(Color::red));
    EXPECT_EQ(pixel(image, 2, 2), (Rgb{255, 255, 255}));
}

TEST(Render, FiguresMayLeaveTheCanvas) {
    const Image image = render({16, 16, {at(Shape::circle, Color::blue, 0, 0, 20), at(Shape::star, Color::red, 500, -90, 20)}, 0});
    EXPECT_EQ(pixel(image, 1, 1), rgb(Color::blue));
    EXPECT_EQ(pixel(image, 15, 15), (Rgb{255, 255, 255}));
}

TEST(Render, RefusesImpossibleScenes) {
    EXPECT_THROW((void)render({0, 10, {}, 0}), InvalidArgument);
    EXPECT_THROW((void)render({10, 9000, {}, 0}), InvalidArgument);
    EXPECT_THROW((void)render({10, 10, {at(Shape::circle, Color::red, 5, 5, 0)}, 0}), InvalidArgument);
}

TEST(Measure, CountsOverlapsAndVisibleShare) {
    const Scene scene{100, 100,
                      {at(Shape::square, Color::red, 20, 20, 10),     // far away
                       at(Shape::square, Color::yellow, 45, 50, 20),  // behind the target
                       at(Shape::square, Color::blue, 50, 50, 40),    // the target
                       at(Shape::square, Color::green, 68, 50, 40)},  // in front, over a part of it
                      2};
    const SceneMeasure found = measure(scene);
    EXPECT_EQ(found.overlapping, 2);
    // Both squares are about 36 px wide and 18 px apart: half of the target is hidden.
    EXPECT_NEAR(found.visible_fraction, 0.5, 0.03);
    EXPECT_THROW((void)measure({10, 10, {}, 0}), InvalidArgument);
}

TEST(PixelSha256, MatchesThePublishedVector) {
    // FIPS 180-2, appendix B.1: SHA-256("abc"); one pixel holds those three bytes.
    EXPECT_EQ(pixel_sha256({1, 1, {'a', 'b', 'c'}}), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(WritePng, LibpngReadsBackTheSamePixels) {
    const auto path = std::filesystem::temp_directory_path() / ("modalconflict_png_test_" + std::to_string(::getpid()) + ".png");
    const Image image = render({61, 47, {at(Shape::star, Color::orange, 30, 24, 40)}, 0});
    write_png(image, path.string());
    png_image reader{};
    reader.version = PNG_IMAGE_VERSION;
    ASSERT_NE(png_image_begin_read_from_file(&reader, path.c_str()), 0);
    reader.format = PNG_FORMAT_RGB;
    std::vector<std::uint8_t> pixels(PNG_IMAGE_SIZE(reader));
    ASSERT_NE(png_image_finish_read(&reader, nullptr, pixels.data(), 0, nullptr), 0);
    EXPECT_EQ(pixels, image.pixels);
    EXPECT_FALSE(std::filesystem::exists(path.string() + ".part"));
    std::filesystem::remove(path);
}

TEST(WritePng, NamesAFolderThatIsNotThere) {
    const Image image = render({2, 2, {}, 0});
    try {
        write_png(image, "/nonexistent-folder/a.png");
        FAIL();
    } catch (const IoError& error) {
        EXPECT_NE(std::string(error.what()).find("/nonexistent-folder/a.png"), std::string::npos);
    }
    EXPECT_THROW(write_png({2, 2, {0}}, "a.png"), InvalidArgument);
}

TEST(WritePng, FullDiskLeavesNoFile) {
    const std::filesystem::path full = "/dev/full";
    if (!std::filesystem::exists(full)) GTEST_SKIP() << "no /dev/full on this system";
    const auto folder = std::filesystem::temp_directory_path() / ("modalconflict_full_test_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder);
    std::filesystem::create_symlink(full, folder / "a.png.part");
    EXPECT_THROW(write_png(render({64, 64, {}, 0}), (folder / "a.png").string()), IoError);
    EXPECT_FALSE(std::filesystem::exists(folder / "a.png"));
    std::filesystem::remove_all(folder);
}
