#include <modalconflict/core/softmax_moments.hpp>
#include <modalconflict/core/uncertainty.hpp>

#include "expect_error.hpp"

#include <cmath>
#include <limits>
#include <vector>

namespace mc = modalconflict;
using Index = mc::UncertaintyIndex;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
const double kNaN = std::numeric_limits<double>::quiet_NaN();
const std::vector<double> kLogits = {1.5, -0.25, 3.0, 0.0, 2.75, -4.0};

double value(Index index, const mc::UncertaintyOptions& options = {}, const std::vector<double>& logits = kLogits) {
    double out = kNaN;
    mc::uncertainty_from_logits(std::span<const double>(logits), logits.size(), index, options, {&out, 1});
    return out;
}

/// Logits with no pattern that a tile or lane could hide.
std::vector<double> many_logits(std::size_t n) {
    std::vector<double> logits(n);
    for (std::size_t i = 0; i < n; ++i) logits[i] = 12.0 * std::sin(0.37 * static_cast<double>(i) * static_cast<double>(i));
    return logits;
}

}  // namespace

// Reference values: scipy.special.softmax and scipy.stats.entropy 1.17.
TEST(Uncertainty, EveryIndexAgreesWithScipy) {
    EXPECT_NEAR(value(Index::entropy), 1.1256880067580561, 1e-14);
    EXPECT_NEAR(value(Index::normalized_entropy), 1.1256880067580561 / std::log(6.0), 1e-14);
    EXPECT_NEAR(value(Index::perplexity), std::exp(1.1256880067580561), 1e-13);
    EXPECT_NEAR(value(Index::max_prob), 0.5218523290942304, 1e-14);
    EXPECT_NEAR(value(Index::margin), 0.8942341096194122, 1e-14);
    EXPECT_NEAR(value(Index::gini), 0.6204134167290174, 1e-14);
    EXPECT_NEAR(value(Index::varentropy), 0.5443364844382288, 1e-14);
    EXPECT_NEAR(value(Index::energy), -3.7378356592519477, 1e-14);
}

TEST(Uncertainty, ParametersReachTheirIndex) {
    mc::UncertaintyOptions options;
    const double renyi[] = {1.3250446252723869, 0.9686725572572338, 0.9094984101310392};
    const double tsallis[] = {1.8793572907337315, 0.6204134167290174, 0.41890581327979864};
    const double orders[] = {0.5, 2.0, 3.0};
    for (int i = 0; i < 3; ++i) {
        options.alpha = options.q = orders[i];
        EXPECT_NEAR(value(Index::renyi, options), renyi[i], 1e-13);
        EXPECT_NEAR(value(Index::tsallis, options), tsallis[i], 1e-13);
    }
    options.k = 2;
    EXPECT_NEAR(value(Index::top_k_entropy, options), 1.0047384844168228, 1e-14);
    options.temperature = 2.0;
    EXPECT_NEAR(value(Index::calibrated_entropy, options), 1.4681281084804407, 1e-14);
    options.targets = {3};
    EXPECT_NEAR(value(Index::surprisal, options), 3.7378356592519477, 1e-14);
    options.candidates = {{0, 1}, {2}};
    EXPECT_NEAR(value(Index::candidate_entropy, options), 0.5106883374298457, 1e-14);
    EXPECT_NEAR(value(Index::off_candidate_mass, options), 0.3966233655444732, 1e-14);
}

TEST(Uncertainty, OrdersNearOneReachShannon) {
    mc::UncertaintyOptions options;
    const double shannon = value(Index::entropy);
    for (const double order : {1.0, 1.0 + 1e-12, 1.0 - 1e-7}) {
        options.alpha = options.q = order;
        EXPECT_NEAR(value(Index::renyi, options), shannon, 1e-6);
        EXPECT_NEAR(value(Index::tsallis, options), shannon, 1e-6);
    }
    options.alpha = 0.0;
    EXPECT_NEAR(value(Index::renyi, options), std::log(6.0), 1e-14);
    options.alpha = kInfinity;
    EXPECT_NEAR(value(Index::renyi, options), -std::log(1.0 - 0.5218523290942304), 1e-14);
}

TEST(Uncertainty, TopKWithTheWholeVocabularyIsEntropy) {
    mc::UncertaintyOptions options;
    options.k = 100;
    EXPECT_NEAR(value(Index::top_k_entropy, options), value(Index::entropy), 1e-14);
}

TEST(Uncertainty, RowsAreTheSameForAnyNumberOfThreads) {
    constexpr std::size_t rows = 37, columns = 5003;
    const std::vector<double> logits = many_logits(rows * columns);
    std::vector<double> one(rows), three(rows);
    mc::uncertainty_from_logits(std::span<const double>(logits), columns, Index::entropy, {}, one, 1);
    mc::uncertainty_from_logits(std::span<const double>(logits), columns, Index::entropy, {}, three, 3);
    EXPECT_EQ(one, three);
}

TEST(Uncertainty, FloatsAreSummedInDouble) {
    constexpr std::size_t n = 152064;
    const std::vector<double> logits = many_logits(n);
    const std::vector<float> rounded(logits.begin(), logits.end());
    const std::vector<double> widened(rounded.begin(), rounded.end());
    const double expected = mc::entropy_from_logits(std::span<const double>(widened));
    EXPECT_NEAR(mc::entropy_from_logits(std::span<const float>(rounded)), expected, 2e-7 * expected);
}

TEST(Uncertainty, ProbabilitiesAndLogitsAgree) {
    const std::vector<double> probs = {0.5, 0.0, 0.3, 0.2};
    double from_probs = 0.0;
    mc::uncertainty_from_probs(probs, 4, Index::entropy, {}, {&from_probs, 1});
    EXPECT_NEAR(from_probs, 1.0296530140645737, 1e-15);  // scipy.stats.entropy
    EXPECT_DOUBLE_EQ(mc::entropy(probs), from_probs);
    EXPECT_NAMES(mc::uncertainty_from_probs(probs, 4, Index::energy, {}, {&from_probs, 1}), "energy");
}

TEST(Uncertainty, RegistryNamesEveryIndexOnce) {
    for (const auto& info : mc::uncertainty_indices()) {
        EXPECT_EQ(mc::uncertainty_index_info(info.name).index, info.index);
        EXPECT_EQ(info.relative_applies, info.lower_bound >= 0.0);
    }
    EXPECT_FALSE(mc::uncertainty_index_info("energy").shift_invariant);
    EXPECT_NAMES(mc::uncertainty_index_info("entropie"), "'entropie' is not an uncertainty index");
}

TEST(Uncertainty, DeclaredShiftInvarianceHolds) {
    std::vector<double> shifted = kLogits;
    for (double& logit : shifted) logit += 3.0;
    mc::UncertaintyOptions options;
    options.targets = {1};
    options.candidates = {{0, 1}, {2}};
    for (const auto& info : mc::uncertainty_indices()) {
        const double difference = std::abs(value(info.index, options, shifted) - value(info.index, options));
        EXPECT_NEAR(difference, info.shift_invariant ? 0.0 : 3.0, 1e-13) << info.name;
    }
}

TEST(Uncertainty, BadRowsAndParametersAreNamed) {
    std::vector<double> logits = {0.0, 1.0, 2.0, kNaN, 0.0, 1.0};
    std::vector<double> out(2);
    const auto run = [&](Index index, const mc::UncertaintyOptions& options) {
        mc::uncertainty_from_logits(std::span<const double>(logits), 3, index, options, out);
    };
    EXPECT_NAMES(run(Index::entropy, {}), "row 1: logits[0] is nan");
    logits[3] = kInfinity;
    EXPECT_NAMES(run(Index::entropy, {}), "row 1: logits[0] is inf");
    logits[3] = 0.0;
    mc::UncertaintyOptions options;
    options.temperature = 0.0;
    EXPECT_NAMES(run(Index::calibrated_entropy, options), "temperature is 0");
    options.k = 0;
    EXPECT_NAMES(run(Index::top_k_entropy, options), "k is 0");
    options.alpha = -1.0;
    EXPECT_NAMES(run(Index::renyi, options), "alpha is -1");
    options.q = 0.0;
    EXPECT_NAMES(run(Index::tsallis, options), "q is 0");
    options.targets = {3};
    EXPECT_NAMES(run(Index::surprisal, options), "targets[0] is token 3");
    EXPECT_NAMES(run(Index::candidate_entropy, options), "candidates has 0 answers");
    options.candidates = {{0}, {0, 1}};
    EXPECT_NAMES(run(Index::candidate_entropy, options), "token 0 twice");
    options.candidates = {{0}, {}};
    EXPECT_NAMES(run(Index::candidate_entropy, options), "candidates[1] is empty");
}

TEST(Entropy, RefusesWhatIsNoDistribution) {
    EXPECT_NAMES(mc::entropy(std::vector<double>{}), "probs is empty");
    EXPECT_NAMES(mc::entropy(std::vector<double>{0.5, -0.5, 1.0}), "probs[1] is -0.5");
    EXPECT_NAMES(mc::entropy(std::vector<double>{0.5, kNaN}), "probs[1] is nan");
    EXPECT_NAMES(mc::entropy(std::vector<double>{0.5, 0.4}), "sum to 0.9");
}

TEST(Entropy, StaysWithinItsRange) {
    EXPECT_EQ(mc::entropy(std::vector<double>{0.0, 1.0, 0.0}), 0.0);
    EXPECT_LE(mc::entropy(std::vector<double>(7, 1.0 / 7.0)), std::log(7.0));
    EXPECT_EQ(mc::entropy_from_logits(std::vector<double>{4.0}), 0.0);
    EXPECT_EQ(mc::entropy_from_logits(std::vector<float>{-std::numeric_limits<float>::infinity(), 1.0F}), 0.0);
}

TEST(Entropy, KeepsItsDigitsNearCertainty) {
    // Two tokens a gap g apart: H = log1p(e⁻ᵍ) + g e⁻ᵍ / (1 + e⁻ᵍ), here about 40·e⁻⁴⁰.
    const double e = std::exp(-40.0), expected = std::log1p(e) + 40.0 * e / (1.0 + e);
    EXPECT_NEAR(mc::entropy_from_logits(std::vector<double>{40.0, 0.0}), expected, 1e-13 * expected);
    EXPECT_NEAR(mc::entropy_from_logits(std::vector<float>{40.0F, 0.0F}), expected, 1e-6 * expected);
}

TEST(SoftmaxMoments, MergingPartsGivesTheWhole) {
    const std::vector<double> logits = many_logits(9001);
    const std::span<const double> all(logits);
    const mc::SoftmaxMoments whole = mc::softmax_moments(all);
    mc::SoftmaxMoments parts;
    for (std::size_t begin = 0; begin < all.size(); begin += 1000) {
        parts.merge(mc::softmax_moments(all.subspan(begin, std::min<std::size_t>(1000, all.size() - begin))));
    }
    EXPECT_EQ(parts.max, whole.max);
    EXPECT_NEAR(parts.entropy(), whole.entropy(), 1e-12);
    EXPECT_NEAR(parts.varentropy(), whole.varentropy(), 1e-11);
    EXPECT_NEAR(parts.log_sum_exp(), whole.log_sum_exp(), 1e-12);
    EXPECT_NEAR(parts.sum(), 1.0 + parts.excess, 0.0);
}

TEST(SoftmaxMoments, MinusInfinityAddsNothingWhereverItStands) {
    std::vector<double> padded(5000, -kInfinity);
    std::copy(kLogits.begin(), kLogits.end(), padded.begin() + 4321);
    EXPECT_NEAR(mc::softmax_moments(std::span<const double>(padded)).entropy(), 1.1256880067580561, 1e-14);
}

TEST(SoftmaxMoments, AnInfinitelySmallPartLeavesTheSumsAlone) {
    mc::SoftmaxMoments high = mc::softmax_moments(std::span<const double>(std::vector<double>{1e6, 1e6}));
    high.merge(mc::softmax_moments(std::span<const double>(std::vector<double>{-1e6, 0.0})));
    EXPECT_DOUBLE_EQ(high.entropy(), std::log(2.0));
}

TEST(SoftmaxMoments, AGapThatRoundsToZeroStillCountsItsToken) {
    // Scaled by one half the smallest gap between two doubles underflows: the two tokens are equally likely, not one alone.
    const std::vector<double> logits = {std::numeric_limits<double>::denorm_min(), 0.0};
    EXPECT_DOUBLE_EQ(mc::softmax_moments(logits, 0.5).entropy(), std::log(2.0));
}

TEST(SoftmaxMoments, BadInputIsNamed) {
    EXPECT_NAMES(mc::softmax_moments(std::span<const double>{}), "logits is empty");
    EXPECT_NAMES(mc::softmax_moments(std::vector<double>{-kInfinity, -kInfinity}), "all -inf");
    EXPECT_NAMES(mc::softmax_moments(std::vector<double>{-kInfinity, kNaN}), "logits[1] is nan");
    EXPECT_NAMES(mc::softmax_moments(std::vector<float>{0.0F, std::numeric_limits<float>::quiet_NaN()}), "logits[1] is nan");
    EXPECT_NAMES(mc::softmax_moments(kLogits, 0.0), "scale is 0");
}
