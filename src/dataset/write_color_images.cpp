#include <modalconflict/dataset/color_recognition.hpp>
#include <modalconflict/error.hpp>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <mutex>
#include <thread>

namespace modalconflict::dataset {
namespace {

void write_group(const ColorRecognitionOptions& options, const std::filesystem::path& folder, std::int64_t index,
                 ColorImageRow* rows) {
    const ColorGroup group = color_group(options, index);
    char name[32];
    std::snprintf(name, sizeof name, "images/%05lld", static_cast<long long>(index));
    std::error_code error;
    std::filesystem::create_directories(folder / name, error);
    if (error) throw IoError("cannot make the folder '" + (folder / name).string() + "': " + error.message() + "; choose a folder you can write to");
    const auto& tiers = color_vision_tiers();
    for (std::size_t d_v = 0; d_v < tiers.size(); ++d_v) {
        const ColorScene made = color_scene(options, group, static_cast<int>(d_v));
        const Image image = render(made.scene);
        char file[32];
        std::snprintf(file, sizeof file, "/v%02zu.png", d_v);
        rows[d_v] = {index, static_cast<int>(d_v), std::string(name) + file, image.width, image.height,
                     tiers[d_v].distractors, tiers[d_v].occlusion_percent / 100.0, made.measure.overlapping,
                     made.measure.visible_fraction, pixel_sha256(image)};
        write_png(image, (folder / rows[d_v].path).string());
    }
}

}  // namespace

std::vector<ColorImageRow> write_color_images(const ColorRecognitionOptions& options, const std::string& folder,
                                              int threads, const std::function<bool(std::int64_t)>& progress) {
    (void)color_group(options, 0);  // refuses bad options before any file is made
    if (threads < 0) throw InvalidArgument("write_color_images: threads is " + std::to_string(threads) + "; use 0 for one a core, or more");
    const std::size_t tiers = color_vision_tiers().size();
    std::vector<ColorImageRow> rows(static_cast<std::size_t>(options.groups) * tiers);
    std::atomic<std::int64_t> next{0};
    std::atomic<bool> stop{false};
    std::int64_t done = 0;
    std::exception_ptr failure;
    std::mutex mutex;
    const auto work = [&] {
        for (std::int64_t g = next++; g < options.groups && !stop; g = next++) {
            try {
                write_group(options, folder, g, rows.data() + static_cast<std::size_t>(g) * tiers);
                const std::lock_guard lock(mutex);
                ++done;
                if (progress && !progress(done)) stop = true;
            } catch (...) {
                const std::lock_guard lock(mutex);
                if (!failure) failure = std::current_exception();
                stop = true;
            }
        }
    };
    const auto count = std::min<std::int64_t>(
        threads > 0 ? threads : std::max(1U, std::thread::hardware_concurrency()), options.groups);
    std::vector<std::jthread> pool;
    for (std::int64_t i = 1; i < count; ++i) pool.emplace_back(work);
    work();
    pool.clear();  // joins
    if (failure) std::rethrow_exception(failure);
    return rows;
}

}  // namespace modalconflict::dataset
