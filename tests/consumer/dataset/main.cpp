#include <modalconflict/dataset/color_recognition.hpp>

#include <cstdio>

int main() {
    const modalconflict::dataset::ColorRecognitionOptions options{1, 7};
    const auto group = modalconflict::dataset::color_group(options, 0);
    const auto made = modalconflict::dataset::color_scene(options, group, 6);
    const auto image = modalconflict::dataset::render(made.scene);
    std::printf("dataset: %d x %d pixels, %d of 10 distractors overlap the target\n", image.width, image.height, made.occluding);
    return made.occluding == 8 && made.measure.overlapping == 8 ? 0 : 1;
}
