#include <modalconflict/dataset/vocabulary.hpp>

#include <modalconflict/error.hpp>

#include <string>

namespace modalconflict::dataset {
namespace {

using namespace std::string_view_literals;

constexpr std::array<std::string_view, kColorCount> kColorNames = {"red", "yellow", "blue", "green", "purple", "orange"};
constexpr std::array<std::string_view, kShapeCount> kShapeNames = {"circle",  "square", "triangle", "star",  "cross",
                                                                   "diamond", "heart",  "crescent", "arrow", "hexagon"};
constexpr std::array<Rgb, kColorCount> kRgb = {{
    {220, 30, 35}, {247, 220, 40}, {35, 75, 220}, {40, 160, 65}, {140, 50, 170}, {245, 135, 25}}};

constexpr std::array kRed = {"a ripe tomato"sv,  "a strawberry"sv,       "a fire truck"sv,   "a stop sign"sv,
                             "a ruby"sv,         "fresh blood"sv,        "a ladybug"sv,      "a cherry"sv,
                             "a cooked lobster"sv, "a raspberry"sv,      "Santa Claus's suit"sv, "a cardinal bird"sv};
constexpr std::array kYellow = {"a banana"sv,       "a lemon"sv,        "a sunflower"sv,      "a school bus"sv,
                                "a canary"sv,       "an egg yolk"sv,    "sweet corn"sv,       "a New York taxi"sv,
                                "a dandelion"sv,    "a rubber duck"sv,  "a daffodil"sv,       "mustard"sv};
constexpr std::array kBlue = {"a sapphire"sv,       "the clear sky"sv,  "the ocean"sv,        "a Smurf"sv,
                              "a morpho butterfly's wings"sv, "a US mailbox"sv, "denim jeans"sv, "lapis lazuli"sv,
                              "a swimming pool"sv,  "a forget-me-not"sv, "a cornflower"sv,    "a kingfisher's back"sv};
constexpr std::array kGreen = {"grass"sv,      "an emerald"sv,  "a cucumber"sv, "a tree frog"sv, "spinach"sv,   "a cactus"sv,
                               "a lime"sv,     "broccoli"sv,    "a crocodile"sv, "a pea"sv,      "jade"sv,      "a four-leaf clover"sv};
constexpr std::array kPurple = {"an eggplant"sv, "an amethyst"sv, "a lavender field"sv, "a Concord grape"sv,
                                "a plum"sv,      "a lilac flower"sv, "a jacaranda in bloom"sv, "an iris flower"sv,
                                "a fig's skin"sv, "ube ice cream"sv, "a crocus"sv,      "beetroot juice"sv};
constexpr std::array kOrange = {"a pumpkin"sv,      "a carrot"sv,      "a tangerine"sv,       "a basketball"sv,
                                "a traffic cone"sv, "a clownfish"sv,   "a sweet potato"sv,    "a monarch butterfly's wings"sv,
                                "a papaya's flesh"sv, "a ripe persimmon"sv, "an apricot"sv,   "a marigold"sv};

template <std::size_t N>
std::size_t index_of(const std::array<std::string_view, N>& names, std::string_view wanted, const char* what) {
    for (std::size_t i = 0; i < N; ++i) {
        if (names[i] == wanted) return i;
    }
    std::string known;
    for (const auto name : names) known += (known.empty() ? "" : ", ") + std::string(name);
    throw InvalidArgument(std::string(what) + " '" + std::string(wanted) + "' is not known; choose one of " + known);
}

}  // namespace

std::string_view name(Color color) { return kColorNames.at(static_cast<std::size_t>(color)); }
std::string_view name(Shape shape) { return kShapeNames.at(static_cast<std::size_t>(shape)); }
Rgb rgb(Color color) { return kRgb.at(static_cast<std::size_t>(color)); }

Color color_from_name(std::string_view wanted) { return static_cast<Color>(index_of(kColorNames, wanted, "color")); }
Shape shape_from_name(std::string_view wanted) { return static_cast<Shape>(index_of(kShapeNames, wanted, "shape")); }

std::span<const std::string_view> entities(Color color) {
    switch (color) {
        case Color::red: return kRed;
        case Color::yellow: return kYellow;
        case Color::blue: return kBlue;
        case Color::green: return kGreen;
        case Color::purple: return kPurple;
        case Color::orange: return kOrange;
    }
    throw InvalidArgument("entities: the color is outside the enumeration; use one of its six names");
}

}  // namespace modalconflict::dataset
