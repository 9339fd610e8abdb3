#include <modalconflict/dataset/color_recognition.hpp>

#include "dataset/group_writer.hpp"

namespace modalconflict::dataset {
namespace {

void write_group(const ColorRecognitionOptions& options, const std::string& folder, std::int64_t index, ColorImageRow* rows) {
    const ColorGroup group = color_group(options, index);
    const std::string name = make_group_folder(folder, index);
    for (std::size_t d_v = 0; d_v < options.tiers.size(); ++d_v) {
        const ColorScene made = color_scene(options, group, static_cast<int>(d_v));
        const Image image = render(made.scene);
        rows[d_v] = {index, static_cast<int>(d_v), name + tier_file(d_v), image.width, image.height,
                     options.tiers[d_v].distractors, options.tiers[d_v].occlusion_percent / 100.0, made.measure.overlapping,
                     made.measure.visible_fraction, pixel_sha256(image)};
        write_png(image, folder + "/" + rows[d_v].path);
    }
}

}  // namespace

std::vector<ColorImageRow> write_color_images(const ColorRecognitionOptions& options, const std::string& folder, int threads,
                                              const std::function<bool(std::int64_t)>& progress, std::int64_t first,
                                              std::int64_t count) {
    validate(options);  // refuses bad options before any file is made
    const GroupWork work{"write_color_images", options.groups, first, count, threads, progress};
    const std::size_t tiers = options.tiers.size();
    std::vector<ColorImageRow> rows(static_cast<std::size_t>(checked_count(work)) * tiers);
    for_each_group(work, [&](std::int64_t group) {
        write_group(options, folder, group, rows.data() + static_cast<std::size_t>(group - first) * tiers);
    });
    return rows;
}

}  // namespace modalconflict::dataset
