#include <modalconflict/dataset/solid_scene.hpp>

namespace modalconflict::dataset {
namespace {

constexpr std::array<std::string_view, kSolidCount> kSolids = {"sphere", "cube", "cylinder"};
constexpr std::array<std::string_view, kMaterialCount> kMaterials = {"metal", "rubber"};
constexpr std::array<std::string_view, kSolidColorCount> kColors = {"gray", "red", "blue", "green", "brown", "purple", "cyan", "yellow"};
// CLEVR's properties.json.
constexpr std::array<Rgb, kSolidColorCount> kRgb = {
    {{87, 87, 87}, {173, 35, 35}, {42, 75, 215}, {29, 105, 20}, {129, 74, 25}, {129, 38, 192}, {41, 208, 208}, {255, 238, 51}}};

}  // namespace

std::string_view name(Solid solid) { return kSolids.at(static_cast<std::size_t>(solid)); }
std::string_view name(Material material) { return kMaterials.at(static_cast<std::size_t>(material)); }
std::string_view name(SolidColor color) { return kColors.at(static_cast<std::size_t>(color)); }
Rgb rgb(SolidColor color) { return kRgb.at(static_cast<std::size_t>(color)); }

}  // namespace modalconflict::dataset
