// SPDX-License-Identifier: Apache-2.0
// How far numbers move when they are rounded to fp8, and the power of two by which they move least:
// what PopRT's calibration minimises, by its names.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/expected.h"
#include "support/type.h"

namespace tessera {

enum class Fp8Loss : uint8_t {
  Mse,      // mean of squared differences
  Mae,      // mean of differences' magnitudes
  Snr,      // squared differences over squared numbers, sums of both: noise over signal
  Kld,      // Kullback-Leibler divergence of histograms of 2048 bins
  CosDist,  // 1 less the cosine of the angle between both
};
inline constexpr Fp8Loss kFp8Losses[] = {Fp8Loss::Mse, Fp8Loss::Mae, Fp8Loss::Snr, Fp8Loss::Kld,
                                         Fp8Loss::CosDist};
std::string_view to_string(Fp8Loss loss);  // "mse", "mae", "snr", "kld", "cos_dist"
// Usage error: a word that is not one of them.
Expected<Fp8Loss> parse_fp8_loss(std::string_view word);

// 0 where they are equal; the larger the worse. Both are equally long, and neither is empty.
double fp8_loss(Fp8Loss loss, std::span<const float> wanted, std::span<const float> got);

// The numbers after they have been codes of 2^scale each.
std::vector<float> through_fp8(std::span<const float> numbers, DType fp8, int64_t scale);

struct Fp8Scale {
  int64_t scale = 0;
  double loss = 0;
};
// The scale of least loss; of equal losses, that with the least squares; then the largest scale.
// Among scales at which nothing saturates only the finest is worth a look, as every other keeps
// less of each number; of finer ones eight are looked at.
Fp8Scale best_fp8_scale(Fp8Loss loss, std::span<const float> numbers, DType fp8);

}  // namespace tessera
