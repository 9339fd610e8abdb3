#include "engine/expect_error.hpp"
#include "engine/tiny_bundle.hpp"

#include <modalconflict/engine/case_pack.hpp>
#include <modalconflict/engine/safetensors.hpp>
#include <modalconflict/error.hpp>

#include <functional>

namespace modalconflict {
namespace {

using testing::expect_error;
using testing::TemporaryFolder;
using testing::tiny_pack;

TEST(CasePack, WhatIsSavedIsLoaded) {
    const TemporaryFolder folder;
    const CasePack pack = tiny_pack();
    pack.save(folder.path() / "p.safetensors");
    const CasePack loaded = CasePack::load(folder.path() / "p.safetensors");
    EXPECT_EQ(loaded.ids, pack.ids);
    EXPECT_EQ(loaded.offsets, pack.offsets);
    EXPECT_EQ(loaded.positions, pack.positions);
    EXPECT_EQ(loaded.position_dims, 1);
    EXPECT_EQ(loaded.image_index, pack.image_index);
    EXPECT_EQ(loaded.candidates, pack.candidates);
    EXPECT_EQ(loaded.candidate_offsets, pack.candidate_offsets);
    ASSERT_EQ(loaded.image_tensors.size(), 2U);
    EXPECT_TRUE(std::ranges::equal(loaded.image_tensors.at("pixel_values.1").as<float>(),
                                   pack.image_tensors.at("pixel_values.1").as<float>()));
}

TEST(CasePack, HandsOutRunsAndVariants) {
    const CasePack pack = tiny_pack();
    EXPECT_EQ(pack.runs(), 7);
    EXPECT_TRUE(std::ranges::equal(pack.run_ids(6), std::vector<std::int64_t>{1, 9, 12, 7, 7, 3}));
    EXPECT_TRUE(std::ranges::equal(pack.run_candidates(0, 0), std::vector<std::int64_t>{3, 4}));
    EXPECT_TRUE(std::ranges::equal(pack.run_candidates(0, 1), std::vector<std::int64_t>{8}));
    EXPECT_TRUE(pack.run_candidates(5, 1).empty());
    EXPECT_TRUE(CasePack{}.run_candidates(0, 0).empty());
}

struct Lengths {
    std::function<void(CasePack&)> spoil;
    std::vector<std::string> named;
};

class SpoiledPack : public ::testing::TestWithParam<Lengths> {};

TEST_P(SpoiledPack, IsRefusedByName) {
    CasePack pack = tiny_pack();
    GetParam().spoil(pack);
    for (const auto& thing : GetParam().named) expect_error<InvalidArgument>([&] { pack.validate(); }, {thing});
}

INSTANTIATE_TEST_SUITE_P(CasePack, SpoiledPack, ::testing::Values(
    Lengths{[](CasePack& p) { p.ids.pop_back(); }, {"offsets must start at 0", "ids"}},
    Lengths{[](CasePack& p) { p.offsets.pop_back(); }, {"offsets has 7 entries instead of 8"}},
    Lengths{[](CasePack& p) { p.offsets[2] = p.offsets[1]; }, {"offsets[2]", "at least one token"}},
    Lengths{[](CasePack& p) { p.offsets[2] = 0; }, {"offsets[2]"}},
    Lengths{[](CasePack& p) { p.offsets.front() = 1; }, {"offsets must start at 0"}},
    Lengths{[](CasePack& p) { p.positions.push_back(1); }, {"positions has"}},
    Lengths{[](CasePack& p) { p.positions[3] = -2; }, {"positions[3] = -2"}},
    Lengths{[](CasePack& p) { p.position_dims = 2; }, {"position_dims is 2"}},
    Lengths{[](CasePack& p) { p.position_dims = 3; }, {"3 rows"}},
    Lengths{[](CasePack& p) { p.candidates.pop_back(); }, {"candidate_offsets"}},
    Lengths{[](CasePack& p) { p.candidate_offsets.pop_back(); }, {"candidate_offsets has 14 entries instead of 15"}},
    Lengths{[](CasePack& p) { p.candidate_offsets.clear(); }, {"without candidate_offsets"}},
    Lengths{[](CasePack& p) { p.image_index[1] = 2; }, {"image_index[1] = 2"}},
    Lengths{[](CasePack& p) { p.image_index[1] = -2; }, {"image_index[1] = -2"}},
    Lengths{[](CasePack& p) { p.image_tensors.erase("pixel_values.0"); }, {"image_index[0] = 0"}}));

TEST(CasePack, NamesWhatAFileLacks) {
    const TemporaryFolder folder;
    const std::vector<std::int64_t> values{0};
    const std::vector<std::int32_t> narrow{0};
    const auto path = folder.path() / "p";
    write_safetensors(path, {{"ids", {values.data(), DType::int64, {1}}}});
    expect_error<InvalidArgument>([&] { (void)CasePack::load(path); }, {"'offsets'", path.string()});
    write_safetensors(path, {{"ids", {narrow.data(), DType::int32, {1}}}});
    expect_error<InvalidArgument>([&] { (void)CasePack::load(path); }, {"'ids'", "int32"});
    expect_error<IoError>([&] { (void)CasePack::load(folder.path() / "none"); }, {"none"});
}

TEST(CasePack, TakesPositionsOfOneOrThreeRows) {
    const std::vector<std::int64_t> two{0, 1}, zeros{0, 0, 0, 0, 0, 0}, none{-1};
    std::map<std::string, TensorView> tensors{{"ids", {two.data(), DType::int64, {2}}}, {"offsets", {std::vector<std::int64_t>{}.data(), DType::int64, {0}}},
        {"positions", {zeros.data(), DType::int64, {3, 2}}}, {"image_index", {none.data(), DType::int64, {1}}}};
    const std::vector<std::int64_t> offsets{0, 2};
    tensors["offsets"] = {offsets.data(), DType::int64, {2}};
    EXPECT_EQ(CasePack::from_tensors(tensors).position_dims, 3);
    tensors["positions"].shape = {2, 2};
    expect_error<InvalidArgument>([&] { (void)CasePack::from_tensors(tensors, "here"); }, {"here", "[2, 2]"});
}

}  // namespace
}  // namespace modalconflict
