#pragma once

#include <modalconflict/lens/unembedding.hpp>

#include <cstdint>
#include <functional>

namespace modalconflict::lens {

/// out[row, token − first] = x[row] · weight[token] for `count` tokens, in float32.
///
/// @param x        [rows, weight.columns]
/// @param out      [rows, stride], stride >= count
/// @param widened  Room for widened_rows(weight) · weight.columns floats; unused for float32 weights.
void tile_logits(const float* x, std::int64_t rows, const MatrixView& weight, std::int64_t first, std::int64_t count,
                 float* out, std::int64_t stride, float* widened);

/// How many rows of the matrix are widened to float32 at a time; 0 for float32 weights.
[[nodiscard]] std::int64_t widened_rows(const MatrixView& weight);

/// How many lanes run_lanes would use.
[[nodiscard]] int lane_count(int threads);

/// Runs work(0) … work(lanes − 1) on threads of their own, as many as ATen's setting allows, and rethrows the first
/// failure. Inside, the matrix product uses one thread: each tile's logits are then made by the same instructions
/// whatever the number of lanes. (at::parallel_for would run serially here: it is an OpenMP loop in a header, and
/// this library is compiled without OpenMP so that torch's runtime stays the only one.)
void run_lanes(int lanes, const std::function<void(int)>& work);

}  // namespace modalconflict::lens
