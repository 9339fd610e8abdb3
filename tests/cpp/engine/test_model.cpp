#include "engine/expect_error.hpp"
#include "engine/tiny_bundle.hpp"

#include <modalconflict/engine/model.hpp>
#include <modalconflict/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <map>

namespace modalconflict {
namespace {

using testing::expect_error;
using testing::kTinyHidden;
using testing::kTinyLayers;
using testing::kTinyVocab;
using testing::TemporaryFolder;
using testing::tiny_pack;
using testing::tiny_reference;

using States = std::map<std::pair<std::int64_t, std::int64_t>, std::vector<float>>;  // (layer, run) -> state

Hook keep_states(States& states) {
    Hook hook;
    hook.call = [&states](const HiddenState& state) {
        const auto values = state.view().as<float>();
        for (std::size_t row = 0; row < state.runs.size(); ++row) {
            const auto begin = values.begin() + static_cast<std::ptrdiff_t>(row) * kTinyHidden;
            states[{state.layer, state.runs[row]}].assign(begin, begin + kTinyHidden);
        }
        return false;
    };
    return hook;
}

class TinyModel : public ::testing::Test {
protected:
    void write(const testing::TinyOptions& options = {}) { testing::write_tiny_bundle(folder_.path(), options); }

    PackReads run(const RunOptions& options = {}, const std::vector<Hook>& hooks = {}) {
        return Model(folder_.path()).run(pack_, options, hooks);
    }

    TemporaryFolder folder_;
    CasePack pack_ = tiny_pack();
};

double entropy_of(const std::vector<double>& log_probs) {
    double sum = 0.0;
    for (const double value : log_probs) sum -= std::exp(value) * value;
    return sum;
}

// Every read of every run against the reference, which knows neither batches nor a past.
void expect_reference(const std::filesystem::path& folder, const CasePack& pack, const PackReads& reads, std::int64_t window = 0) {
    for (std::int64_t run = 0; run < pack.runs(); ++run) {
        const auto reference = tiny_reference(folder, pack, run, {}, window);
        const auto& last = reference.log_probs.back();
        for (std::int64_t row = 0; row < reads.rows; ++row) {
            const auto cell = static_cast<std::size_t>(run * reads.rows + row);
            const auto& log_probs = reference.log_probs[static_cast<std::size_t>(row)];
            EXPECT_NEAR(reads.entropy[cell], entropy_of(log_probs), 1e-5) << run << ' ' << row;
            double kl = 0.0;
            for (std::size_t t = 0; t < last.size(); ++t) kl += std::exp(last[t]) * (last[t] - log_probs[t]);
            EXPECT_NEAR(reads.kl_final[cell], kl, 1e-5);
            const auto best = std::max_element(log_probs.begin(), log_probs.end()) - log_probs.begin();
            EXPECT_EQ(reads.top_ids[cell * static_cast<std::size_t>(reads.top_k)], best);
            const auto variants = pack.run_candidates(run, 0);
            double sum = 0.0;
            for (const auto id : variants) sum += std::exp(log_probs[static_cast<std::size_t>(id)]);
            const double top_log_prob = log_probs[static_cast<std::size_t>(best)];
            EXPECT_NEAR(reads.logit_text[cell] - reads.top_logits[cell * static_cast<std::size_t>(reads.top_k)],
                        std::log(sum) - top_log_prob, 1e-4);
        }
        auto sorted = last;
        std::sort(sorted.begin(), sorted.end(), std::greater<>());
        const auto r = static_cast<std::size_t>(run);
        EXPECT_NEAR(reads.max_prob[r], 1 - std::exp(sorted[0]), 1e-5);
        EXPECT_NEAR(reads.margin[r], 1 - (std::exp(sorted[0]) - std::exp(sorted[1])), 1e-5);
        EXPECT_EQ(reads.status[r], "ok");
    }
}

TEST_F(TinyModel, ReadsEveryLayerAsThePlainAlgebraDoes) {
    write();
    const auto reads = run();
    EXPECT_EQ(reads.runs, 7);
    EXPECT_EQ(reads.rows, kTinyLayers + 1);
    expect_reference(folder_.path(), pack_, reads);
    EXPECT_TRUE(std::isnan(reads.logit_vision[static_cast<std::size_t>(5 * reads.rows)]));  // run 5 has no variants
    EXPECT_FALSE(std::isnan(reads.logit_vision[0]));
}

TEST_F(TinyModel, SlidingWindowsHoldAcrossASharedPrefix) {
    write({.mask = "sliding"});
    const auto reads = run();
    EXPECT_GT(reads.stats.runs_sharing, 0);
    expect_reference(folder_.path(), pack_, reads, 3);
}

TEST_F(TinyModel, RowsInjectedBetweenLayersReachEveryLaterLayer) {
    write();
    const auto without = run();
    write({.inject = true});
    const auto shared = run();
    EXPECT_GT(shared.stats.runs_sharing, 0);
    EXPECT_GT(std::abs(shared.entropy[3] - without.entropy[3]), 1e-3);  // run 0, last row
    expect_reference(folder_.path(), pack_, shared);
    expect_reference(folder_.path(), pack_, run({.share_prefixes = false}));
}

TEST_F(TinyModel, RowsAreInjectedIntoASuffixThatHoldsTheImage) {
    write({.inject = true});
    // The text first: eight tokens before each image are shared, the images come after.
    std::vector<std::int64_t> ids;
    const std::vector<std::int64_t> text{1, 9, 10, 11, 7, 5, 6, 3};
    for (std::int64_t run = 0; run < pack_.runs(); ++run) {
        const auto tokens = pack_.run_ids(run);
        const std::size_t skip = pack_.image_index[static_cast<std::size_t>(run)] < 0 ? 0 : 1;
        ids.insert(ids.end(), text.begin(), text.end());
        ids.insert(ids.end(), tokens.begin() + static_cast<std::ptrdiff_t>(skip), tokens.end());
        pack_.offsets[static_cast<std::size_t>(run)] = static_cast<std::int64_t>(ids.size() - text.size() - tokens.size() + skip);
    }
    pack_.offsets.back() = static_cast<std::int64_t>(ids.size());
    pack_.ids = ids;
    pack_.positions.clear();
    for (std::int64_t run = 0; run < pack_.runs(); ++run) {
        for (std::size_t i = 0; i < pack_.run_ids(run).size(); ++i) pack_.positions.push_back(static_cast<std::int64_t>(i));
    }
    // One run an image: then the text is what is shared.
    pack_.image_index = {0, -1, -1, 1, -1, -1, -1};
    for (std::int64_t run : {1, 2, 4}) {
        for (auto i = pack_.offsets[static_cast<std::size_t>(run)]; i < pack_.offsets[static_cast<std::size_t>(run) + 1]; ++i) {
            auto& id = pack_.ids[static_cast<std::size_t>(i)];
            if (id == testing::kTinyImageToken) id = 4;
        }
    }
    const auto reads = run();
    EXPECT_EQ(reads.stats.runs_sharing, 2);
    expect_reference(folder_.path(), pack_, reads);
}

TEST_F(TinyModel, ATowerThatReturnsTooFewRowsToInjectIsNamed) {
    write({.inject = true});
    auto description = testing::read_description(folder_.path());
    description["inject"][0]["output"] = 3;
    testing::write_description(folder_.path(), description);
    expect_error<ModelError>([&] { (void)run(); }, {"vision.pt", "returned 3 tensors instead of 4"});
}

TEST_F(TinyModel, HiddenStatesMatchAtEveryLayer) {
    write();
    States states;
    (void)run({}, {keep_states(states)});
    ASSERT_EQ(states.size(), 7U * (kTinyLayers + 1));
    for (const auto& [key, state] : states) {
        const auto reference = tiny_reference(folder_.path(), pack_, key.second).hidden[static_cast<std::size_t>(key.first)];
        for (std::size_t i = 0; i < state.size(); ++i) EXPECT_NEAR(state[i], reference[i], 1e-5) << key.first << ' ' << key.second;
    }
}

TEST_F(TinyModel, GreedyAnswersAreTheArgmaxOfTheGrownPrompt) {
    for (const char* mask : {"causal", "sliding"}) {
        write({.seed = 3, .mask = mask});
        const RunOptions options{.max_new_tokens = 5};
        const auto reads = run(options);
        const std::int64_t window = std::strcmp(mask, "sliding") == 0 ? 3 : 0;
        bool longer_than_one = false;
        for (std::int64_t i = 0; i < pack_.runs(); ++i) {
            std::vector<std::int64_t> expected;
            bool stopped = false;
            while (expected.size() < 5 && !stopped) {
                const auto last = tiny_reference(folder_.path(), pack_, i, expected, window).log_probs.back();
                const auto best = std::max_element(last.begin(), last.end()) - last.begin();
                stopped = best == 2;
                if (!stopped) expected.push_back(best);
            }
            EXPECT_EQ(reads.answer_ids[static_cast<std::size_t>(i)], expected) << mask << ' ' << i;
            EXPECT_EQ(reads.answer_stopped[static_cast<std::size_t>(i)], stopped);
            longer_than_one = longer_than_one || expected.size() > 1;
        }
        EXPECT_TRUE(longer_than_one);
    }
}

TEST_F(TinyModel, SharingAndBatchingChangeNothingButTheWork) {
    write();
    const auto shared = run();
    const auto alone = run({.batch_size = 1, .share_prefixes = false});
    EXPECT_EQ(shared.answer_ids, alone.answer_ids);
    EXPECT_EQ(shared.top_ids, alone.top_ids);
    for (std::size_t i = 0; i < shared.entropy.size(); ++i) EXPECT_NEAR(shared.entropy[i], alone.entropy[i], 1e-5);
    EXPECT_EQ(shared.stats.runs_sharing, 5);
    EXPECT_EQ(shared.stats.prefix_tokens, 8);
    EXPECT_EQ(shared.stats.images_encoded, 2);
    EXPECT_EQ(alone.stats.runs_sharing, 0);
    EXPECT_EQ(alone.stats.runs_alone, 5);
    EXPECT_EQ(alone.stats.padding_tokens, 0);
    EXPECT_EQ(alone.stats.suffix_tokens, alone.stats.prompt_tokens);
    EXPECT_LT(shared.stats.prefix_tokens + shared.stats.suffix_tokens, alone.stats.suffix_tokens);
}

// Behind a prefix of 24 tokens, so that the runs of an image stand side by side in one row of a batch.
CasePack long_prefixes() {
    CasePack pack = tiny_pack();
    CasePack longer = pack;
    longer.ids.clear();
    longer.positions.clear();
    longer.offsets = {0};
    for (std::int64_t run = 0; run < pack.runs(); ++run) {
        const auto ids = pack.run_ids(run);
        longer.ids.push_back(ids[0]);
        for (std::int64_t i = 0; i < 20; ++i) longer.ids.push_back(3 + i % 7);
        longer.ids.insert(longer.ids.end(), ids.begin() + 1, ids.end());
        const auto length = static_cast<std::int64_t>(ids.size()) + 20;
        for (std::int64_t i = 0; i < length; ++i) longer.positions.push_back(i);
        longer.offsets.push_back(static_cast<std::int64_t>(longer.ids.size()));
    }
    return longer;
}

TEST_F(TinyModel, RunsSideBySideInOneRowAreReadAsIfAlone) {
    for (const char* mask : {"causal", "sliding"}) {
        write({.seed = 3, .mask = mask});
        pack_ = long_prefixes();
        States states;
        const auto reads = run({.max_new_tokens = 5}, {keep_states(states)});
        const std::int64_t window = std::strcmp(mask, "sliding") == 0 ? 3 : 0;
        expect_reference(folder_.path(), pack_, reads, window);
        const auto alone = run({.max_new_tokens = 5, .batch_size = 1, .share_prefixes = false});
        EXPECT_EQ(reads.answer_ids, alone.answer_ids);
        EXPECT_EQ(reads.answer_stopped, alone.answer_stopped);
        for (const auto& [key, state] : states) {
            const auto reference = tiny_reference(folder_.path(), pack_, key.second, {}, window).hidden[static_cast<std::size_t>(key.first)];
            for (std::size_t i = 0; i < state.size(); ++i) ASSERT_NEAR(state[i], reference[i], 1e-5) << key.first << ' ' << key.second;
        }
        EXPECT_EQ(states.size(), 7U * (kTinyLayers + 1));
    }
}

TEST_F(TinyModel, AnAnswersLogProbabilityIsTheSumOverItsTokens) {
    write({.seed = 3});
    pack_ = long_prefixes();
    const auto reads = run({.max_new_tokens = 5});
    for (std::int64_t i = 0; i < pack_.runs(); ++i) {
        const auto r = static_cast<std::size_t>(i);
        ASSERT_EQ(reads.answer_log_probs[r].size(), reads.answer_ids[r].size());
        double sum = 0.0;
        std::vector<std::int64_t> before;
        for (std::size_t t = 0; t < reads.answer_ids[r].size(); ++t) {
            const auto last = tiny_reference(folder_.path(), pack_, i, before).log_probs.back();
            const auto token = reads.answer_ids[r][t];
            EXPECT_NEAR(reads.answer_log_probs[r][t], last[static_cast<std::size_t>(token)], 1e-5);
            sum += last[static_cast<std::size_t>(token)];
            before.push_back(token);
        }
        EXPECT_NEAR(reads.answer_log_prob[r], sum, 1e-5);
    }
    EXPECT_TRUE(std::isnan(run({.stop_after_layer = 1}).answer_log_prob[0]));
}

TEST_F(TinyModel, ABrokenRunCostsTheRunsBesideItNothing) {
    write();
    pack_ = long_prefixes();
    const auto clean = run();
    write({.poisoned_token = 12});  // in run 2, which stands in one row with runs 0 and 1, and in run 6
    const auto reads = run();
    for (std::int64_t r = 0; r < 7; ++r) {
        const auto cell = static_cast<std::size_t>(r);
        if (r == 2 || r == 6) {
            EXPECT_NE(reads.status[cell].find("non-finite"), std::string::npos);
            EXPECT_TRUE(reads.answer_ids[cell].empty());
            continue;
        }
        EXPECT_EQ(reads.status[cell], "ok");
        EXPECT_EQ(reads.answer_ids[cell], clean.answer_ids[cell]);
        for (std::int64_t row = 0; row < reads.rows; ++row) {
            const auto at = static_cast<std::size_t>(r * reads.rows + row);
            EXPECT_NEAR(reads.entropy[at], clean.entropy[at], 1e-5);
        }
    }
}

TEST_F(TinyModel, TheSamePackGivesTheSameBits) {
    write();
    const Model model(folder_.path());
    const auto once = model.run(pack_), again = model.run(pack_);
    EXPECT_EQ(once.entropy, again.entropy);
    EXPECT_EQ(once.top_logits, again.top_logits);
}

TEST_F(TinyModel, RunsAPackFromAFile) {
    write();
    pack_.save(folder_.path() / "pack.safetensors");
    const auto from_memory = run();
    pack_ = CasePack::load(folder_.path() / "pack.safetensors");
    EXPECT_EQ(run().entropy, from_memory.entropy);
}

TEST_F(TinyModel, AReplacedStateIsWhatTheNextLayersRead) {
    write();
    States before, after;
    Hook patch;
    patch.layers = {2};
    patch.call = [](const HiddenState& state) {
        auto* values = static_cast<float*>(state.data);
        for (std::size_t row = 0; row < state.runs.size(); ++row) {
            if (state.runs[row] == 1) std::fill_n(values + static_cast<std::ptrdiff_t>(row) * kTinyHidden, kTinyHidden, 0.5F);
        }
        return true;
    };
    const auto plain = run({}, {keep_states(before)});
    const auto patched = run({}, {patch, keep_states(after)});
    for (const auto& [key, state] : before) {
        const bool downstream = key.second == 1 && key.first >= 2;
        EXPECT_EQ(state != after.at(key), downstream) << key.first << ' ' << key.second;
    }
    EXPECT_EQ(after.at({2, 1}), std::vector<float>(kTinyHidden, 0.5F));
    EXPECT_NE(plain.entropy[static_cast<std::size_t>(2 * plain.rows - 1)], patched.entropy[static_cast<std::size_t>(2 * plain.rows - 1)]);
}

TEST_F(TinyModel, HooksOnOtherPositionsSeeWholePrompts) {
    write();
    std::int64_t rows = 0;
    Hook all;
    all.positions = HookPositions::all;
    all.layers = {0};
    all.call = [&](const HiddenState& state) {
        EXPECT_EQ(state.shape.size(), 3U);
        EXPECT_EQ(state.shape[1], *std::max_element(state.lengths.begin(), state.lengths.end()));
        EXPECT_EQ(state.dtype, DType::float32);
        EXPECT_EQ(state.device, "cpu");
        rows += state.shape[0];
        return false;
    };
    Hook listed;
    listed.positions = HookPositions::listed;
    listed.listed = {0, -1};
    listed.layers = {kTinyLayers};
    States at_answer;
    listed.call = [&](const HiddenState& state) {
        EXPECT_EQ(state.shape[1], 2);
        const auto values = state.view().as<float>();
        for (std::size_t row = 0; row < state.runs.size(); ++row) {
            const auto begin = values.begin() + static_cast<std::ptrdiff_t>(2 * row + 1) * kTinyHidden;
            at_answer[{state.layer, state.runs[row]}].assign(begin, begin + kTinyHidden);
        }
        return false;
    };
    States states;
    const auto reads = run({}, {all, listed, keep_states(states)});
    EXPECT_EQ(rows, 7);
    EXPECT_EQ(reads.stats.runs_sharing, 0);
    for (const auto& [key, state] : at_answer) EXPECT_EQ(state, states.at(key));
    listed.listed = {6};
    expect_error<InvalidArgument>([&] { (void)run({}, {listed}); }, {"position 6", "tokens"});
}

TEST_F(TinyModel, PatchingEveryPositionOfTheImageMovesOnlyWhatFollowsIt) {
    write();
    Hook patch;
    patch.positions = HookPositions::all;
    patch.layers = {0};
    patch.call = [](const HiddenState& state) {
        auto* values = static_cast<float*>(state.data);
        for (std::size_t row = 0; row < state.runs.size(); ++row) {
            if (state.runs[row] != 0) continue;
            auto* begin = values + (static_cast<std::ptrdiff_t>(row) * state.shape[1] + 1) * kTinyHidden;
            std::fill_n(begin, 2 * kTinyHidden, 1.0F);  // the two image tokens of run 0
        }
        return true;
    };
    const auto plain = run(), patched = run({}, {patch});
    const auto rows = static_cast<std::size_t>(plain.rows);
    EXPECT_NEAR(plain.entropy[0], patched.entropy[0], 1e-6);  // the answer position's own embedding stays
    EXPECT_GT(std::abs(plain.entropy[rows - 1] - patched.entropy[rows - 1]), 1e-4);
    for (std::size_t i = rows; i < plain.entropy.size(); ++i) EXPECT_NEAR(plain.entropy[i], patched.entropy[i], 1e-5);
}

TEST(MatchLayers, FindsStatesByName) {
    EXPECT_EQ(match_layers("layers.*.h", 3), (std::vector<std::int64_t>{1, 2, 3}));
    EXPECT_EQ(match_layers("*", 2), (std::vector<std::int64_t>{0, 1, 2}));
    EXPECT_EQ(match_layers("embed.h", 2), (std::vector<std::int64_t>{0}));
    EXPECT_EQ(match_layers("layers.1[02].h", 12), (std::vector<std::int64_t>{10, 12}));
    expect_error<InvalidArgument>([] { (void)match_layers("layers.4.h", 3); }, {"'layers.4.h'", "layers.3.h"});
}

TEST_F(TinyModel, HooksMayFollowTheGeneratedTokens) {
    write({.seed = 3});
    std::int64_t prompt_rows = 0, all_rows = 0;
    Hook hook;
    hook.layers = {1};
    hook.call = [&](const HiddenState& state) { prompt_rows += state.shape[0]; return false; };
    Hook following = hook;
    following.generated = true;
    following.call = [&](const HiddenState& state) { all_rows += state.shape[0]; return false; };
    const auto reads = run({.max_new_tokens = 4}, {hook, following});
    EXPECT_EQ(prompt_rows, 7);
    EXPECT_EQ(all_rows, 7 + reads.stats.generated_tokens);
    EXPECT_GT(reads.stats.generated_tokens, 0);
}

TEST_F(TinyModel, StopsEarlyWhereItIsTold) {
    write();
    const auto whole = run(), part = run({.stop_after_layer = 1});
    EXPECT_EQ(part.rows, 2);
    for (std::int64_t r = 0; r < 7; ++r) {
        EXPECT_NEAR(part.entropy[static_cast<std::size_t>(2 * r + 1)], whole.entropy[static_cast<std::size_t>(r * whole.rows + 1)], 1e-6);
        EXPECT_TRUE(part.answer_ids[static_cast<std::size_t>(r)].empty());
        EXPECT_TRUE(std::isnan(part.max_prob[static_cast<std::size_t>(r)]));
        EXPECT_TRUE(std::isnan(part.kl_final[static_cast<std::size_t>(2 * r)]));
        EXPECT_EQ(part.status[static_cast<std::size_t>(r)], "ok");
    }
}

TEST_F(TinyModel, NaNIsTheBusinessOfItsRunAlone) {
    write();
    const auto clean = run();
    write({.poisoned_token = 12});  // in the prompts of runs 2 and 6
    const auto reads = run();
    for (std::int64_t r = 0; r < 7; ++r) {
        const auto cell = static_cast<std::size_t>(r);
        if (r == 2 || r == 6) {
            EXPECT_NE(reads.status[cell].find("non-finite logits at layer 1"), std::string::npos) << reads.status[cell];
            EXPECT_TRUE(reads.answer_ids[cell].empty());
            for (std::int64_t row = 0; row < reads.rows; ++row) {
                EXPECT_TRUE(std::isnan(reads.entropy[static_cast<std::size_t>(r * reads.rows + row)]));
                EXPECT_EQ(reads.top_ids[static_cast<std::size_t>((r * reads.rows + row) * reads.top_k)], -1);
            }
            continue;
        }
        EXPECT_EQ(reads.status[cell], "ok");
        EXPECT_EQ(reads.answer_ids[cell], clean.answer_ids[cell]);
        for (std::int64_t row = 0; row < reads.rows; ++row) {
            const auto at = static_cast<std::size_t>(r * reads.rows + row);
            EXPECT_EQ(reads.entropy[at], clean.entropy[at]);
        }
    }
}

TEST_F(TinyModel, ErrorsOfAHookReachTheCaller) {
    write();
    Hook hook;
    hook.call = [](const HiddenState&) -> bool { throw std::out_of_range("the hook's own"); };
    EXPECT_THROW((void)run({}, {hook}), std::out_of_range);
    hook.layers = {9};
    expect_error<InvalidArgument>([&] { (void)run({}, {hook}); }, {"hooks[0]", "layer 9"});
    expect_error<InvalidArgument>([&] { (void)run({}, {Hook{}}); }, {"hooks[0]", "no function"});
    hook.layers.clear();
    hook.positions = HookPositions::listed;
    expect_error<InvalidArgument>([&] { (void)run({}, {hook}); }, {"hooks[0]", "lists no position"});
}

TEST_F(TinyModel, APackThatDoesNotFitIsRefused) {
    write();
    const auto expect_refused = [&](std::initializer_list<std::string> named) {
        expect_error<InvalidArgument>([&] { (void)run(); }, named);
        pack_ = tiny_pack();
    };
    pack_.ids[0] = kTinyVocab;
    expect_refused({"run 0", "token id 17", "position 0"});
    pack_.candidates[1] = -3;
    expect_refused({"candidates[1]", "-3"});
    pack_.ids[1] = 5;
    expect_refused({"run 0", "1 image tokens", "2 rows"});
    pack_.image_index[5] = 0;
    expect_refused({"run 5", "0 image tokens"});
    pack_.offsets.pop_back();
    expect_refused({"offsets"});
    pack_.position_dims = 3;
    const auto once = pack_.positions;
    for (int i = 0; i < 2; ++i) pack_.positions.insert(pack_.positions.end(), once.begin(), once.end());
    expect_refused({"3 row(s) of positions"});
    pack_.ids.insert(pack_.ids.end(), 60, 1);
    pack_.positions.insert(pack_.positions.end(), 60, 1);
    pack_.offsets.back() += 60;
    expect_refused({"run 6", "positions"});
    pack_.preparation_sha256 = std::string(64, 'a');
    expect_refused({"another model's bundle", "aaaaaaaa"});
    pack_.image_tensors["other.0"] = pack_.image_tensors["pixel_values.0"];
    pack_.image_tensors.erase("pixel_values.0");
    expect_refused({"'pixel_values.0'"});
}

TEST_F(TinyModel, OptionsOutOfRangeAreRefused) {
    write();
    expect_error<InvalidArgument>([&] { (void)run({.top_k = 0}); }, {"top_k"});
    expect_error<InvalidArgument>([&] { (void)run({.top_k = 18}); }, {"top_k", "17"});
    expect_error<InvalidArgument>([&] { (void)run({.max_new_tokens = 0}); }, {"max_new_tokens"});
    expect_error<InvalidArgument>([&] { (void)run({.batch_size = 0}); }, {"batch_size"});
    expect_error<InvalidArgument>([&] { (void)run({.kv_memory_bytes = 0}); }, {"kv_memory_bytes"});
    expect_error<InvalidArgument>([&] { (void)run({.stop_after_layer = 4}); }, {"stop_after_layer"});
    expect_error<InvalidArgument>([&] { Model(folder_.path(), {.device = "toaster"}); }, {"toaster"});
    expect_error<InvalidArgument>([&] { Model(folder_.path(), {.threads = -1}); }, {"threads"});
}

TEST_F(TinyModel, AnEmptyPackGivesEmptyReads) {
    write();
    pack_ = {};
    pack_.offsets = {0};
    const auto reads = run();
    EXPECT_EQ(reads.runs, 0);
    EXPECT_TRUE(reads.entropy.empty());
}

TEST_F(TinyModel, AnAlteredBundleIsRefusedBeforeAnythingIsLoaded) {
    write();
    std::ofstream(folder_.path() / "programs/layer.pt", std::ios::app) << "x";
    expect_error<IoError>([&] { Model{folder_.path()}; }, {"programs/layer.pt", "export the model again"});
}

TEST_F(TinyModel, AFileOfAnotherModelIsAModelError) {
    write();
    TemporaryFolder other;
    testing::write_tiny_bundle(other.path(), {.layer_width = 6});
    const auto description = testing::read_description(folder_.path());
    std::filesystem::copy_file(other.path() / "weights.safetensors", folder_.path() / "weights.safetensors",
                               std::filesystem::copy_options::overwrite_existing);
    testing::write_description(folder_.path(), description);
    expect_error<ModelError>([&] { Model{folder_.path()}; }, {"'layers.0.wq'", "[8, 8]", "[8, 12]", "another model"});

    write();
    std::filesystem::copy_file(folder_.path() / "programs/rotary.pt", folder_.path() / "programs/layer.pt",
                               std::filesystem::copy_options::overwrite_existing);
    testing::write_description(folder_.path(), description);
    expect_error<ModelError>([&] { Model{folder_.path()}; }, {"programs/layer.pt", "takes 1 tensors instead of 6"});

    write();
    std::ofstream(folder_.path() / "programs/layer.pt") << "not a program";
    testing::write_description(folder_.path(), description);
    expect_error<ModelError>([&] { Model{folder_.path()}; }, {"programs/layer.pt", "export the model again"});

    write();
    auto renamed = description;
    renamed["layers"][1]["prefix"] = "blocks.1.";
    testing::write_description(folder_.path(), renamed);
    expect_error<ModelError>([&] { Model{folder_.path()}; }, {"'blocks.1.wq'"});
    renamed = description;
    renamed["unembed"]["weight"] = "norm.weight";
    testing::write_description(folder_.path(), renamed);
    expect_error<ModelError>([&] { Model{folder_.path()}; }, {"norm.weight", "[8]"});
}

TEST_F(TinyModel, MovesAndNamesItsBundle) {
    write();
    Model first(folder_.path(), {.checksums = false, .threads = 1});
    Model second = std::move(first);
    EXPECT_EQ(second.bundle().family, "tiny");
    EXPECT_EQ(second.run(pack_).runs, 7);
}

}  // namespace
}  // namespace modalconflict
