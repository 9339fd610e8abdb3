#pragma once

#include <cstddef>
#include <span>

namespace modalconflict {

/// A temperature fitted to known answers, and what it did.
struct Calibration {
    double temperature = 1.0;  ///< softmax(z / temperature) has the least mean surprisal of the targets
    double nll_before = 0.0;   ///< mean surprisal of the targets at temperature one, nats
    double nll_after = 0.0;
    double ece_before = 0.0;   ///< expected calibration error of the largest probability
    double ece_after = 0.0;
    std::size_t rows = 0;
    bool at_bound = false;     ///< the surprisal still falls at the end of the range searched: every answer is right, or none
};

/// Fits one temperature by maximum likelihood on rows held out from the study: once a modality.
///
/// @param logits   Row-major, shape (rows, columns); rows = targets.size() >= 1.
/// @param targets  Token id of the right answer a row.
/// @param bins     Equal-width bins of confidence for the calibration error.
/// @param threads  0 takes every core; the result does not depend on it.
/// @throws InvalidArgument  naming the row of a bad logit or target.
///
/// Source: Guo, Pleiss, Sun & Weinberger (2017), On Calibration of Modern Neural Networks.
[[nodiscard]] Calibration fit_temperature(std::span<const float> logits, std::size_t columns,
                                          std::span<const std::ptrdiff_t> targets, std::size_t bins = 15,
                                          unsigned threads = 0);
[[nodiscard]] Calibration fit_temperature(std::span<const double> logits, std::size_t columns,
                                          std::span<const std::ptrdiff_t> targets, std::size_t bins = 15,
                                          unsigned threads = 0);

/// Mean absolute gap between confidence and accuracy over equal-width bins, weighted by their cases.
///
/// @param confidence  Shape (n,), within [0, 1].
/// @param correct     Shape (n,), within [0, 1]: whether the answer was right.
[[nodiscard]] double expected_calibration_error(std::span<const double> confidence, std::span<const double> correct,
                                                std::size_t bins = 15);

}  // namespace modalconflict
