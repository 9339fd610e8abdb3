#include "engine/expect_error.hpp"
#include "engine/tiny_bundle.hpp"

#include <modalconflict/engine/bundle.hpp>
#include <modalconflict/engine/sha256.hpp>
#include <modalconflict/error.hpp>

#include <fstream>

namespace modalconflict {
namespace {

using nlohmann::json;
using testing::expect_error;
using testing::TemporaryFolder;

class BundleFolder : public ::testing::Test {
protected:
    void SetUp() override { testing::write_tiny_bundle(folder_.path()); }

    // The description as it is, without its sums being made right.
    void write_raw(const json& description) { std::ofstream(folder_.path() / "bundle.json") << description; }

    const std::filesystem::path& path() const { return folder_.path(); }

    TemporaryFolder folder_;
};

TEST_F(BundleFolder, IsReadAsItStands) {
    const Bundle bundle = read_bundle(path());
    EXPECT_EQ(bundle.folder, path());
    EXPECT_EQ(bundle.sha256, sha256_file(path() / "bundle.json"));
    EXPECT_EQ(bundle.family, "tiny");
    EXPECT_EQ(bundle.dtype, DType::float32);
    EXPECT_EQ(bundle.sizes.layers, testing::kTinyLayers);
    EXPECT_EQ(bundle.sizes.max_positions, 64);
    EXPECT_EQ(bundle.stop_token_ids, std::vector<std::int64_t>{2});
    ASSERT_EQ(bundle.layers.size(), 3U);
    EXPECT_EQ(bundle.layers[2].part.prefix, "layers.2.");
    EXPECT_EQ(bundle.layers[2].mask, MaskKind::causal);
    EXPECT_EQ(bundle.ropes.at("default").position_dims, 1);
    ASSERT_TRUE(bundle.vision.has_value());
    EXPECT_EQ(bundle.vision->inputs, std::vector<std::string>{"pixel_values"});
    EXPECT_EQ(bundle.unembed.norm_kind, "rms");
    EXPECT_DOUBLE_EQ(bundle.unembed.norm_eps, 1e-5);
    EXPECT_FALSE(bundle.unembed.softcap.has_value());
    EXPECT_EQ(bundle.files.size(), 5U);
    EXPECT_NO_THROW(verify_bundle(bundle));
}

TEST_F(BundleFolder, MayHaveNoVisionTower) {
    json description = testing::read_description(path());
    description["vision"] = nullptr;
    description["projector"] = nullptr;
    description["image_token_id"] = nullptr;
    write_raw(description);
    const Bundle bundle = read_bundle(path());
    EXPECT_FALSE(bundle.vision.has_value());
    EXPECT_EQ(bundle.image_token_id, -1);
}

TEST_F(BundleFolder, MissingOrUnreadableIsNamed) {
    expect_error<IoError>([&] { (void)read_bundle(path() / "none"); }, {"none", "is no folder"});
    expect_error<IoError>([&] { (void)read_bundle(path() / "programs"); }, {"programs", "no bundle.json", "export"});
    std::ofstream(path() / "bundle.json") << "{\"format\": \"modalconf";
    expect_error<IoError>([&] { (void)read_bundle(path()); }, {"bundle.json", "JSON", "export the model again"});
    std::ofstream(path() / "bundle.json") << "[]";
    expect_error<IoError>([&] { (void)read_bundle(path()); }, {"bundle.json", "object"});
}

TEST_F(BundleFolder, NestedWithoutEndIsRefused) {
    const std::size_t depth = 1'000'000;
    std::ofstream(path() / "bundle.json") << "{\"format\": " << std::string(depth, '[') << std::string(depth, ']') << "}";
    expect_error<IoError>([&] { (void)read_bundle(path()); }, {"bundle.json", "nested"});
}

TEST_F(BundleFolder, MessagesAreCutBetweenCharacters) {
    json description = testing::read_description(path());
    std::string text = "x";
    for (int i = 0; i < 60; ++i) text += "\u00e9";
    description["dtype"] = text;
    write_raw(description);
    try {
        (void)read_bundle(path());
        FAIL() << "no error";
    } catch (const IoError& error) {
        const std::string message = error.what();
        EXPECT_NE(message.find("'dtype'"), std::string::npos) << message;
        EXPECT_NO_THROW((void)json(message).dump()) << "not UTF-8: " << message;
    }
}

TEST_F(BundleFolder, OfANewerFormatIsRefused) {
    json description = testing::read_description(path());
    description["format_version"] = kBundleFormatVersion + 1;
    write_raw(description);
    expect_error<IoError>([&] { (void)read_bundle(path()); }, {"format version 2", "newer modalconflict"});
}

TEST_F(BundleFolder, ThatAsksForMoreThanWeCanIsAModelError) {
    const json description = testing::read_description(path());
    json other = description;
    other["runtime"] = "aotinductor";
    write_raw(other);
    expect_error<ModelError>([&] { (void)read_bundle(path()); }, {"aotinductor", "torchscript"});
    other = description;
    other["ropes"]["wide"] = {{"program", "rotary"}, {"prefix", "rotary."}, {"position_dims", 3}};
    write_raw(other);
    expect_error<ModelError>([&] { (void)read_bundle(path()); }, {"rotary tables"});
}

TEST_F(BundleFolder, InjectionsAreReadInTheirOrder) {
    json description = testing::read_description(path());
    description["inject"] = json::parse(R"([{"layer": 1, "output": 2}, {"layer": 3, "output": 1}])");
    write_raw(description);
    const Bundle bundle = read_bundle(path());
    ASSERT_EQ(bundle.inject.size(), 2U);
    EXPECT_EQ(bundle.inject[0].layer, 1);
    EXPECT_EQ(bundle.inject[0].output, 2);
    EXPECT_EQ(bundle.inject[1].layer, 3);
    description.erase("inject");  // as older bundles may be
    write_raw(description);
    EXPECT_TRUE(read_bundle(path()).inject.empty());
}

TEST_F(BundleFolder, WithoutATowerInjectsNothing) {
    json description = testing::read_description(path());
    description["vision"] = nullptr;
    description["inject"] = json::parse(R"([{"layer": 1, "output": 1}])");
    write_raw(description);
    expect_error<IoError>([&] { (void)read_bundle(path()); }, {"'inject'", "without a vision tower"});
}

struct BadField {
    const char* pointer;
    const char* value;  // JSON; empty: the field is taken out
    const char* named;
};

class BadDescription : public BundleFolder, public ::testing::WithParamInterface<BadField> {};

TEST_P(BadDescription, NamesTheField) {
    json description = testing::read_description(path());
    const json::json_pointer pointer(GetParam().pointer);
    if (*GetParam().value == '\0') {
        description[pointer.parent_pointer()].erase(pointer.back());
    } else {
        description[pointer] = json::parse(GetParam().value);
    }
    write_raw(description);
    expect_error<IoError>([&] { (void)read_bundle(path()); }, {"bundle.json", GetParam().named, "export the model again"});
}

INSTANTIATE_TEST_SUITE_P(Bundle, BadDescription, ::testing::Values(
    BadField{"/format", "\"zip\"", "'format'"}, BadField{"/format", "", "'format' is missing"},
    BadField{"/format_version", "\"1\"", "'format_version'"}, BadField{"/format_version", "1.5", "'format_version'"},
    BadField{"/family", "7", "'family'"}, BadField{"/dtype", "\"int8\"", "'dtype'"},
    BadField{"/sizes", "[]", "'sizes'"}, BadField{"/sizes/hidden", "0", "'sizes.hidden'"},
    BadField{"/sizes/hidden", "18446744073709551615", "'sizes.hidden'"}, BadField{"/sizes/vocab", "", "'sizes.vocab'"},
    BadField{"/sizes/layers", "4", "'layers'"}, BadField{"/sizes/max_positions", "-5", "'sizes.max_positions'"},
    BadField{"/stop_token_ids", "[17]", "'stop_token_ids[0]'"}, BadField{"/stop_token_ids", "2", "'stop_token_ids'"},
    BadField{"/image_token_id", "-1", "'image_token_id'"}, BadField{"/image_token_id", "null", "'vision'"},
    BadField{"/weights", "[]", "'weights'"}, BadField{"/weights/0", "\"other.safetensors\"", "'weights[0]'"},
    BadField{"/programs/layer/file", "\"../layer.pt\"", "'programs.layer.file'"},
    BadField{"/programs/layer/file", "\"/etc/passwd\"", "'programs.layer.file'"},
    BadField{"/embed/weight", "null", "'embed.weight'"}, BadField{"/embed/scale", "\"a\"", "'embed.scale'"},
    BadField{"/ropes/default/program", "\"spin\"", "'ropes.default.program'"},
    BadField{"/ropes/default/position_dims", "2", "'ropes.default.position_dims'"},
    BadField{"/layers/1/mask", "\"acausal\"", "'layers[1].mask'"}, BadField{"/layers/1/mask", "\"sliding\"", "'layers[1].window'"},
    BadField{"/layers/1/rope", "\"other\"", "'layers[1].rope'"}, BadField{"/layers/2/prefix", "3", "'layers[2].prefix'"},
    BadField{"/inject", "{}", "'inject'"}, BadField{"/inject", "[{\"layer\":4,\"output\":1}]", "'inject[0].layer'"},
    BadField{"/inject", "[{\"layer\":1,\"output\":0}]", "'inject[0].output'"},
    BadField{"/inject", "[{\"layer\":1}]", "'inject[0].output' is missing"},
    BadField{"/vision/inputs", "[]", "'vision.inputs'"}, BadField{"/unembed/norm/kind", "\"batch\"", "'unembed.norm.kind'"},
    BadField{"/unembed/norm/eps", "0", "'unembed.norm.eps'"}, BadField{"/unembed/softcap", "-1", "'unembed.softcap'"},
    BadField{"/unembed/scale", "[]", "'unembed.scale'"}, BadField{"/files/weights.safetensors/size", "-1", "size'"},
    BadField{"/files/weights.safetensors/sha256", "\"abc\"", "sha256'"},
    BadField{"/files/..~1up", "{\"sha256\":\"a\",\"size\":1}", "a relative path inside the bundle"},
    BadField{"/files/a~1..~1..~1up", "{\"sha256\":\"a\",\"size\":1}", "a relative path inside the bundle"},
    BadField{"/files/~1etc~1passwd", "{\"sha256\":\"a\",\"size\":1}", "a relative path inside the bundle"}));

TEST_F(BundleFolder, VerificationFindsAMissingFile) {
    const Bundle bundle = read_bundle(path());
    std::filesystem::remove(path() / "programs/layer.pt");
    expect_error<IoError>([&] { verify_bundle(bundle); }, {"'programs/layer.pt' is missing", "export the model again"});
}

TEST_F(BundleFolder, VerificationFindsATruncatedFile) {
    const Bundle bundle = read_bundle(path());
    std::filesystem::resize_file(path() / "weights.safetensors", 100);
    expect_error<IoError>([&] { verify_bundle(bundle, {false}); }, {"'weights.safetensors'", "100 bytes", "truncated"});
}

TEST_F(BundleFolder, VerificationFindsASingleAlteredByte) {
    const Bundle bundle = read_bundle(path());
    std::fstream stream(path() / "weights.safetensors", std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(-1, std::ios::end);
    stream.put('\x7f');
    stream.close();
    expect_error<IoError>([&] { verify_bundle(bundle); }, {"'weights.safetensors'", "SHA-256", "altered"});
    EXPECT_NO_THROW(verify_bundle(bundle, {false}));
}

TEST_F(BundleFolder, VerificationFollowsNoLinkOutOfTheFolder) {
    const Bundle bundle = read_bundle(path());
    const TemporaryFolder elsewhere;
    const auto file = path() / "weights.safetensors";
    std::filesystem::copy_file(file, elsewhere.path() / "w");
    std::filesystem::remove(file);
    std::filesystem::create_symlink(elsewhere.path() / "w", file);
    expect_error<IoError>([&] { verify_bundle(bundle); }, {"'weights.safetensors'", "out of the bundle"});
}

}  // namespace
}  // namespace modalconflict
