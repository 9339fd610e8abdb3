#include "engine/expect_error.hpp"
#include "engine/tiny_bundle.hpp"

#include <modalconflict/engine/safetensors.hpp>
#include <modalconflict/engine/sha256.hpp>
#include <modalconflict/error.hpp>

#include <cstring>
#include <fstream>

namespace modalconflict {
namespace {

using testing::expect_error;
using testing::TemporaryFolder;

// A safetensors file from a header as text and a number of data bytes.
std::filesystem::path write_raw(const TemporaryFolder& folder, std::string header, std::size_t data_bytes,
                                std::int64_t claimed = -1) {
    header.resize((header.size() + 7) / 8 * 8, ' ');
    const std::uint64_t length = claimed >= 0 ? static_cast<std::uint64_t>(claimed) : header.size();
    const auto path = folder.path() / "raw.safetensors";
    std::ofstream stream(path, std::ios::binary);
    stream.write(reinterpret_cast<const char*>(&length), 8);
    stream << header << std::string(data_bytes, '\0');
    return path;
}

TEST(Safetensors, WhatIsWrittenIsRead) {
    const TemporaryFolder folder;
    const std::vector<float> floats{1.5F, -2.0F, 3.25F, 0.0F, 7.0F, 8.0F};
    const std::vector<std::int64_t> integers{-1, std::int64_t{1} << 40};
    const std::vector<std::uint8_t> bytes{1, 2, 3};
    const auto path = folder.path() / "x.safetensors";
    write_safetensors(path, {{"a", {bytes.data(), DType::uint8, {3}}}, {"b", {floats.data(), DType::float32, {2, 3}}},
                             {"c", {integers.data(), DType::int64, {2}}}, {"none", {nullptr, DType::float32, {0, 4}}}},
                      {{"made_by", "test"}});
    const SafetensorsFile file(path);
    EXPECT_EQ(file.path(), path);
    EXPECT_EQ(file.metadata().at("made_by"), "test");
    ASSERT_EQ(file.tensors().size(), 4U);
    EXPECT_EQ(file.tensor("b").shape, (std::vector<std::int64_t>{2, 3}));
    EXPECT_TRUE(std::ranges::equal(file.tensor("b").as<float>(), floats));
    EXPECT_TRUE(std::ranges::equal(file.tensor("c").as<std::int64_t>(), integers));
    EXPECT_EQ(std::memcmp(file.tensor("a").data, bytes.data(), 3), 0);
    EXPECT_EQ(file.tensor("none").numel(), 0);
    EXPECT_TRUE(file.contains("a"));
    EXPECT_FALSE(file.contains("z"));
    expect_error<IoError>([&] { (void)file.tensor("z"); }, {"x.safetensors", "'z'"});
}

TEST(Safetensors, RefusesAHeaderNestedWithoutEnd) {
    const TemporaryFolder folder;
    const std::size_t depth = 1'000'000;
    const std::string header = R"({"a":{"dtype":)" + std::string(depth, '[') + std::string(depth, ']') + "}}";
    expect_error<IoError>([&] { SafetensorsFile(write_raw(folder, header, 0)); }, {"raw.safetensors", "JSON object"});
}

TEST(Safetensors, AnEmptyTensorMayHaveExtentsBeyondAnyFile) {
    const TemporaryFolder folder;
    const SafetensorsFile file(write_raw(folder, R"({"a":{"dtype":"F32","shape":[4611686018427387904,4,0],"data_offsets":[0,0]}})", 0));
    EXPECT_EQ(file.tensor("a").numel(), 0);
    EXPECT_EQ(file.tensor("a").bytes(), 0U);
}

TEST(Safetensors, ViewsOutliveTheirHandleWithItsStorage) {
    const TemporaryFolder folder;
    const std::vector<float> floats{4.0F};
    write_safetensors(folder.path() / "x", {{"a", {floats.data(), DType::float32, {1}}}});
    TensorView view;
    std::shared_ptr<const void> storage;
    {
        const SafetensorsFile file(folder.path() / "x");
        view = file.tensor("a");
        storage = file.storage();
    }
    EXPECT_EQ(view.as<float>()[0], 4.0F);
}

TEST(Safetensors, RefusesAFileThatIsNotThere) {
    expect_error<IoError>([] { SafetensorsFile("/nowhere/x.safetensors"); }, {"/nowhere/x.safetensors", "exists"});
}

TEST(Safetensors, RefusesAFileThatCannotBeWritten) {
    expect_error<IoError>([] { write_safetensors("/nowhere/x.safetensors", {}); }, {"/nowhere/x.safetensors"});
}

TEST(Safetensors, ChecksTheHeaderLengthBeforeItAllocates) {
    const TemporaryFolder folder;
    expect_error<IoError>([&] { SafetensorsFile(write_raw(folder, "{}", 0, std::int64_t{1} << 62)); }, {"raw.safetensors", "claims"});
    expect_error<IoError>([&] { SafetensorsFile(write_raw(folder, "{}", 0, 9)); }, {"claims 9 bytes"});
}

TEST(Safetensors, RefusesAFileShorterThanItsLengthField) {
    const TemporaryFolder folder;
    std::ofstream(folder.path() / "short") << "abc";
    expect_error<IoError>([&] { SafetensorsFile(folder.path() / "short"); }, {"short"});
    std::ofstream(folder.path() / "empty").flush();
    expect_error<IoError>([&] { SafetensorsFile(folder.path() / "empty"); }, {"empty"});
}

struct Malformed {
    const char* header;
    std::size_t data_bytes;
    const char* complaint;
};

class MalformedHeader : public ::testing::TestWithParam<Malformed> {};

TEST_P(MalformedHeader, IsRefusedByName) {
    const TemporaryFolder folder;
    const auto path = write_raw(folder, GetParam().header, GetParam().data_bytes);
    expect_error<IoError>([&] { SafetensorsFile{path}; }, {"raw.safetensors", GetParam().complaint});
}

INSTANTIATE_TEST_SUITE_P(Safetensors, MalformedHeader, ::testing::Values(
    Malformed{"[1]", 0, "JSON object"},
    Malformed{"{\"a\":", 0, "JSON object"},
    Malformed{R"({"a":5})", 4, "'a' lacks"},
    Malformed{R"({"a":{"dtype":"F32","shape":[1]}})", 4, "'a' lacks"},
    Malformed{R"({"a":{"dtype":7,"shape":[1],"data_offsets":[0,4]}})", 4, "wrong kind"},
    Malformed{R"({"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}})", 4, "unknown dtype"},
    Malformed{R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, "non-negative"},
    Malformed{R"({"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}})", 4, "non-negative"},
    Malformed{R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4, "does not fill"},
    Malformed{R"({"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,0]}})", 4, "does not fill"},
    Malformed{R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 4, "truncated"},
    Malformed{R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4, "ends at"},
    Malformed{R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}})", 8, "aligned"},
    Malformed{R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8, "overlap"},
    Malformed{R"({"__metadata__":{"a":1}})", 0, "metadata"},
    Malformed{R"({"__metadata__":[]})", 0, "metadata"}));

TEST(Sha256, MatchesThePublishedVectors) {  // FIPS 180-4 examples
    EXPECT_EQ(sha256_hex({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    const std::string abc = "abc";
    EXPECT_EQ(sha256_hex(std::as_bytes(std::span(abc))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, OfAFileIsThatOfItsBytes) {
    const TemporaryFolder folder;
    std::ofstream(folder.path() / "f", std::ios::binary) << std::string(1'000'000, 'a');
    EXPECT_EQ(sha256_file(folder.path() / "f"), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    expect_error<IoError>([&] { (void)sha256_file(folder.path() / "g"); }, {"/g'"});
}

TEST(TensorView, CountsBytesAndNamesTypes) {
    const TensorView view{nullptr, DType::bfloat16, {2, 3, 4}};
    EXPECT_EQ(view.numel(), 24);
    EXPECT_EQ(view.bytes(), 48U);
    EXPECT_EQ(item_size(DType::int64), 8U);
    EXPECT_EQ(name(DType::boolean), "boolean");
    EXPECT_EQ(dtype_from_name("float16"), DType::float16);
    EXPECT_EQ(shape_text(view.shape), "[2, 3, 4]");
    expect_error<InvalidArgument>([] { (void)dtype_from_name("float8"); }, {"float8"});
    expect_error<InvalidArgument>([&] { (void)view.as<float>(); }, {"bfloat16", "float32"});
    const double value = 2.5;
    EXPECT_EQ((TensorView{&value, DType::float64, {1}}).as<double>()[0], 2.5);
}

}  // namespace
}  // namespace modalconflict
