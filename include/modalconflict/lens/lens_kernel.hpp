#pragma once

#include <modalconflict/lens/unembedding.hpp>

#include <cstdint>
#include <span>
#include <vector>

namespace modalconflict {

/// The hidden states to be read: rows of layers and cases in any order. Views only.
struct LensRows {
    const float* hidden = nullptr;  ///< [rows, columns], float32, row after row
    std::int64_t rows = 0;
    std::int64_t columns = 0;       ///< the width of the unembedding matrix

    /// rows flags, 1 where the row has been through the final norm already (the last hidden state of many
    /// libraries has); empty: no row has.
    std::span<const std::uint8_t> normed;

    /// For each row the row it is compared with by KL(that row ‖ this row), or −1; empty: no comparison.
    std::span<const std::int64_t> final_row;

    /// Chosen tokens, in groups: group g is tokens[group_offsets[g] .. group_offsets[g + 1]).
    std::span<const std::int64_t> tokens;
    std::span<const std::int64_t> group_offsets;  ///< groups + 1 values, or empty: no groups

    /// [rows, groups_per_row] group numbers, −1 for none; rows of one case name the same groups.
    std::span<const std::int64_t> row_groups;
    std::int64_t groups_per_row = 0;
};

struct LensOptions {
    int top_k = 5;                       ///< best tokens kept a row; 0 to the size of the vocabulary, 4096 at most
    std::vector<double> renyi_alphas;    ///< orders >= 0, infinity allowed; 1 is the Shannon entropy
    std::vector<double> tsallis_orders;  ///< finite orders >= 0; 1 is the Shannon entropy

    /// Tokens with an id from here on are padding of the matrix; 0: none are. Their mass is reported, and they
    /// stay in the distribution unless drop_padding says otherwise.
    std::int64_t vocabulary = 0;
    bool drop_padding = false;

    int threads = 0;              ///< at most this many of ATen's threads; 0: all of them. Results do not depend on it.
    std::int64_t block_rows = 0;  ///< rows that share one walk over the weights; 0: chosen (256)
    std::int64_t tile = 0;        ///< tokens a tile; 0: chosen so that the tile's logits stay in the L2 cache
};

/// One entry a row, in the order of the rows. Entropies are in nats. A row whose logits hold NaN or +∞, or
/// nothing but −∞, has finite = 0, NaN everywhere and −1 as its top ids; other rows are not touched by it.
struct LensReads {
    std::int64_t rows = 0;
    std::int64_t top_k = 0;
    std::int64_t groups_per_row = 0;

    std::vector<std::uint8_t> finite;
    std::vector<double> entropy;           ///< H = −Σ p log p
    std::vector<double> varentropy;        ///< Σ p (log p)² − H²
    std::vector<double> max_logit;
    std::vector<double> log_normalizer;    ///< log Σ e^z; the energy is its negative
    std::vector<double> max_probability;   ///< p₁
    std::vector<double> one_minus_max;     ///< 1 − p₁, exact also where p₁ rounds to 1
    std::vector<double> one_minus_margin;  ///< 1 − (p₁ − p₂), likewise; a vocabulary of one token has p₂ = 0
    std::vector<double> gini;              ///< 1 − Σ p², likewise
    std::vector<double> top_k_entropy;     ///< of the k best tokens and the rest as one bucket
    std::vector<double> padding_mass;      ///< Σ p over the padding, before it is dropped; 0 where there is none
    std::vector<double> renyi;             ///< [rows, renyi_alphas]
    std::vector<double> tsallis;           ///< [rows, tsallis_orders]
    std::vector<double> kl_final;          ///< KL(final ‖ row) >= 0, +∞ included; NaN without a final row
    std::vector<std::int64_t> top_ids;     ///< [rows, top_k], best first, the lower id first in a tie; −1 where
                                           ///< fewer tokens than top_k have a logit above −∞
    std::vector<float> top_logits;         ///< [rows, top_k], −∞ beside an id of −1
    std::vector<double> chosen;            ///< [rows, groups_per_row], logsumexp of the group's logits (subtract
                                           ///< log_normalizer for a log-probability); NaN for −1 or an empty group
};

/// Reads rows through the unembedding in one pass over the vocabulary: never more than a tile of logits exists.
///
/// Cost: 2 · rows · vocabulary · d flops, the weights read once per block of rows. Weights in bfloat16 or float16
/// are widened a few rows at a time, in the first-level cache. An element further than 87 below its row's largest logit has probability 0.
/// The hidden states are not changed. Safe to call from several threads; not from inside an OpenMP parallel
/// region if more than one thread is wanted.
///
/// @throws InvalidArgument  if a view is null or of the wrong size, an id or index is out of range, or an option is
///                          outside what it states; the message names the row or index.
///
/// Source: nostalgebraist (2020), interpreting GPT: the logit lens; Belrose et al. (2023), Eliciting Latent
/// Predictions from Transformers with the Tuned Lens (KL to the final layer); the merging of partial sums follows
/// Milakov & Gimelshein (2018), Online normalizer calculation for softmax.
[[nodiscard]] LensReads read_lens(const LensRows& rows, const Unembedding& unembedding, const LensOptions& options = {});

/// The same reads of logits that are there already: rows.hidden holds [rows, vocabulary] logits; rows.normed is not
/// looked at. The logits are not changed.
///
/// @throws InvalidArgument  as read_lens.
[[nodiscard]] LensReads reduce_logits(const LensRows& rows, const LensOptions& options = {});

}  // namespace modalconflict
