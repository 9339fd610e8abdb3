#include <modalconflict/engine/case_pack.hpp>

#include <modalconflict/engine/safetensors.hpp>
#include <modalconflict/error.hpp>

#include <set>

namespace modalconflict {
namespace {

std::vector<std::int64_t> integers(const std::map<std::string, TensorView>& tensors, const std::string& name,
                                   const std::string& where) {
    const auto found = tensors.find(name);
    if (found == tensors.end()) {
        throw InvalidArgument(where + " lacks the array '" + name + "'; prepare it again");
    }
    if (found->second.dtype != DType::int64) {
        throw InvalidArgument(where + ": array '" + name + "' holds " + std::string(modalconflict::name(found->second.dtype)) +
                              " instead of int64; prepare it again");
    }
    const auto values = found->second.as<std::int64_t>();
    return {values.begin(), values.end()};
}

// The image a tensor of the vision tower belongs to: the digits after the last point of its name; -1: no such tensor.
std::int64_t image_of(const std::string& name) {
    const auto point = name.rfind('.');
    if (point == std::string::npos || point == 0 || point + 1 == name.size() || name.size() - point > 10 ||
        name.find_first_not_of("0123456789", point + 1) != std::string::npos) {
        return -1;
    }
    return std::stoll(name.substr(point + 1));
}

void check_offsets(const std::vector<std::int64_t>& offsets, std::size_t count, std::size_t total, const std::string& name,
                   const std::string& of, bool may_be_empty) {
    if (offsets.size() != count + 1) {
        throw InvalidArgument("pack: " + name + " has " + std::to_string(offsets.size()) + " entries instead of " +
                              std::to_string(count + 1) + "; give one more than there are rows");
    }
    if (offsets.front() != 0 || offsets.back() != static_cast<std::int64_t>(total)) {
        throw InvalidArgument("pack: " + name + " must start at 0 and end at " + std::to_string(total) + ", the length of " +
                              of + "; it runs from " + std::to_string(offsets.front()) + " to " +
                              std::to_string(offsets.back()));
    }
    for (std::size_t i = 0; i < count; ++i) {
        if (offsets[i + 1] < offsets[i] || (!may_be_empty && offsets[i + 1] == offsets[i])) {
            throw InvalidArgument("pack: " + name + "[" + std::to_string(i + 1) + "] = " + std::to_string(offsets[i + 1]) +
                                  " does not lie behind entry " + std::to_string(i) + " = " + std::to_string(offsets[i]) +
                                  (may_be_empty ? "; offsets never fall" : "; every run needs at least one token"));
        }
    }
}

}  // namespace

std::span<const std::int64_t> CasePack::run_ids(std::int64_t run) const {
    const auto first = static_cast<std::size_t>(offsets[static_cast<std::size_t>(run)]);
    const auto last = static_cast<std::size_t>(offsets[static_cast<std::size_t>(run) + 1]);
    return std::span(ids).subspan(first, last - first);
}

std::span<const std::int64_t> CasePack::run_candidates(std::int64_t run, int which) const {
    if (candidate_offsets.empty()) return {};
    const auto row = static_cast<std::size_t>(2 * run + which);
    const auto first = static_cast<std::size_t>(candidate_offsets[row]);
    return std::span(candidates).subspan(first, static_cast<std::size_t>(candidate_offsets[row + 1]) - first);
}

CasePack CasePack::load(const std::filesystem::path& path) {
    const SafetensorsFile file(path);
    CasePack pack = from_tensors(file.tensors(), "pack '" + path.string() + "'");
    pack.storage = file.storage();
    if (const auto made_for = file.metadata().find("preparation_sha256"); made_for != file.metadata().end()) {
        pack.preparation_sha256 = made_for->second;
    }
    return pack;
}

CasePack CasePack::from_tensors(const std::map<std::string, TensorView>& tensors, const std::string& where) {
    CasePack pack;
    pack.ids = integers(tensors, "ids", where);
    pack.offsets = integers(tensors, "offsets", where);
    pack.positions = integers(tensors, "positions", where);
    const auto& shape = tensors.at("positions").shape;
    if (shape.size() != 2 || (shape[0] != 1 && shape[0] != 3)) {
        throw InvalidArgument(where + ": positions have shape " + shape_text(shape) + " instead of [1 or 3, tokens]; "
                              "prepare it again");
    }
    pack.position_dims = static_cast<int>(shape[0]);
    pack.image_index = integers(tensors, "image_index", where);
    if (tensors.contains("candidate_offsets")) {
        pack.candidate_offsets = integers(tensors, "candidate_offsets", where);
        pack.candidates = integers(tensors, "candidates", where);
    }
    for (const auto& [name, view] : tensors) {
        if (image_of(name) >= 0) pack.image_tensors.emplace(name, view);
    }
    pack.validate();
    return pack;
}

void CasePack::save(const std::filesystem::path& path) const {
    validate();
    std::map<std::string, TensorView> tensors = image_tensors;
    const auto add = [&](const char* name, const std::vector<std::int64_t>& values, std::vector<std::int64_t> shape = {}) {
        if (shape.empty()) shape = {static_cast<std::int64_t>(values.size())};
        tensors[name] = {values.data(), DType::int64, std::move(shape)};
    };
    add("ids", ids);
    add("offsets", offsets);
    add("positions", positions, {position_dims, static_cast<std::int64_t>(ids.size())});
    add("image_index", image_index);
    if (!candidate_offsets.empty()) {
        add("candidates", candidates);
        add("candidate_offsets", candidate_offsets);
    }
    write_safetensors(path, tensors, {{"preparation_sha256", preparation_sha256}});
}

void CasePack::validate() const {
    check_offsets(offsets, image_index.size(), ids.size(), "offsets", "ids", false);
    if (position_dims != 1 && position_dims != 3) {
        throw InvalidArgument("pack: position_dims is " + std::to_string(position_dims) + "; give 1 or 3");
    }
    if (positions.size() != ids.size() * static_cast<std::size_t>(position_dims)) {
        throw InvalidArgument("pack: positions has " + std::to_string(positions.size()) + " entries for " +
                              std::to_string(ids.size()) + " ids in " + std::to_string(position_dims) +
                              " rows; give one position a token and row");
    }
    for (std::size_t i = 0; i < positions.size(); ++i) {
        if (positions[i] < 0) {
            throw InvalidArgument("pack: positions[" + std::to_string(i) + "] = " + std::to_string(positions[i]) +
                                  " is negative; positions count from 0");
        }
    }
    if (!candidate_offsets.empty()) {
        check_offsets(candidate_offsets, 2 * image_index.size(), candidates.size(), "candidate_offsets", "candidates", true);
    } else if (!candidates.empty()) {
        throw InvalidArgument("pack: candidates are given without candidate_offsets; give 2n + 1 offsets");
    }
    std::set<std::int64_t> images;
    for (const auto& [name, view] : image_tensors) images.insert(image_of(name));
    for (std::size_t i = 0; i < image_index.size(); ++i) {
        if (image_index[i] < -1 || (image_index[i] >= 0 && !images.contains(image_index[i]))) {
            throw InvalidArgument("pack: image_index[" + std::to_string(i) + "] = " + std::to_string(image_index[i]) +
                                  " names no image of the pack; give its tensors or -1 for a run without an image");
        }
    }
}

}  // namespace modalconflict
