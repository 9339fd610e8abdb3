#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace modalconflict {

/// How much was computed and how much was shared, in tokens.
struct RunStats {
    double seconds = 0.0;
    std::int64_t prompt_tokens = 0;     ///< tokens of all prompts together: the work without sharing
    std::int64_t prefix_tokens = 0;     ///< tokens of shared prefixes that were computed
    std::int64_t suffix_tokens = 0;     ///< tokens computed run by run, padding not counted
    std::int64_t padding_tokens = 0;    ///< padding computed beside them
    std::int64_t generated_tokens = 0;  ///< decoding steps, summed over the runs
    std::int64_t images_encoded = 0;
    std::int64_t runs_sharing = 0;      ///< runs that started from a shared prefix
    std::int64_t runs_alone = 0;        ///< runs with an image whose prompt could not be shared
    double vision_seconds = 0.0;
    double lens_seconds = 0.0;
};

/// What a pass over a pack read: n runs, R lens rows, k best tokens, row-major.
///
/// Row 0 is the embedding's output, row l the output of layer l, each through the model's own final norm and
/// unembedding, and through its translator before where a tuned lens is used; the last row is the model's logits. Entropies and divergences are in nats. A run whose hidden
/// states or logits are not finite has NaN throughout, ids of -1, and says so in `status`.
struct PackReads {
    std::int64_t runs = 0;
    std::int64_t rows = 0;
    std::int64_t top_k = 0;

    std::vector<double> entropy;         ///< [n, R]
    std::vector<double> kl_final;        ///< [n, R] KL(last row ‖ this row)
    std::vector<std::int64_t> top_ids;   ///< [n, R, k], the largest logit first
    std::vector<float> top_logits;       ///< [n, R, k]
    std::vector<float> logit_text;       ///< [n, R] logsumexp over the variants of the answer by the text; NaN: none
    std::vector<float> logit_vision;     ///< [n, R] the same for the answer by the image

    // Indices of the last row, [n] each. All NaN when the pass was stopped before the last layer.
    std::vector<double> max_prob;        ///< 1 - p1
    std::vector<double> margin;          ///< 1 - (p1 - p2)
    std::vector<double> varentropy;
    std::vector<double> gini;            ///< 1 - sum p^2
    std::vector<double> top_k_entropy;   ///< the k best tokens and the rest as one bucket
    std::vector<double> log_normalizer;  ///< log sum e^z; the energy is its negative
    std::vector<double> renyi;           ///< [n, orders] in the order of RunOptions::renyi_alphas
    std::vector<double> tsallis;         ///< [n, orders]

    std::vector<std::vector<std::int64_t>> answer_ids;  ///< [n] greedy tokens, the stop token left out
    std::vector<std::vector<double>> answer_log_probs;  ///< [n] log-probability of each of these tokens, nats
    std::vector<double> answer_log_prob;                ///< [n] their sum: log p(answer | prompt), the stop token left out
    std::vector<std::uint8_t> answer_stopped;           ///< [n] 1: ended by a stop token, 0: by max_new_tokens
    std::vector<std::string> status;                    ///< [n] "ok", or what went wrong
    RunStats stats;
};

}  // namespace modalconflict
