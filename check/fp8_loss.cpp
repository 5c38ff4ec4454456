// SPDX-License-Identifier: Apache-2.0
#include "check/fp8_loss.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "support/check.h"
#include "support/fp8.h"

namespace tessera {
namespace {

struct Named {
  Fp8Loss loss;
  std::string_view text;
};
constexpr Named kNames[] = {
    {Fp8Loss::Mse,     "mse"     },
    {Fp8Loss::Mae,     "mae"     },
    {Fp8Loss::Snr,     "snr"     },
    {Fp8Loss::Kld,     "kld"     },
    {Fp8Loss::CosDist, "cos_dist"}
};

struct Sums {
  double differences = 0, squared_differences = 0, wanted = 0, got = 0, products = 0;
};

Sums sums_of(std::span<const float> wanted, std::span<const float> got) {
  Sums sums;
  for (size_t i = 0; i < wanted.size(); ++i) {
    const double x = wanted[i], y = got[i];
    sums.differences += std::abs(x - y);
    sums.squared_differences += (x - y) * (x - y);
    sums.wanted += x * x;
    sums.got += y * y;
    sums.products += x * y;
  }
  return sums;
}

// Noise without a signal is the worst there can be: infinite.
double ratio(double noise, double signal) {
  if (noise == 0) return 0;
  return signal == 0 ? HUGE_VAL : noise / signal;
}

double cosine_distance(const Sums& sums) {
  if (sums.wanted == 0 && sums.got == 0) return 0;
  if (sums.wanted == 0 || sums.got == 0) return 1;
  return std::max(0.0, 1 - sums.products / std::sqrt(sums.wanted * sums.got));
}

// Σ p log(p / q) over the bins of what is wanted. Numbers that became one are spread over their
// bins in equal parts, which is q, as in TensorRT's calibration (Migacz, 8-bit Inference with
// TensorRT, GTC 2017). Those beyond the largest stay in their bins, which are empty in q; TensorRT
// moves them to the ends, and then gives up the outliers that a layer norm makes. An empty bin
// counts as a part of one number, so that the divergence is finite.
double divergence(std::span<const float> wanted, std::span<const float> got) {
  constexpr uint32_t kBins = 2048;
  constexpr double kPart = 1e-3;
  double end = 0, largest = 0;
  for (const float number : wanted) end = std::max(end, std::abs(double{number}));
  for (const float number : got) largest = std::max(largest, std::abs(double{number}));
  const auto bin = [&](double number) {
    const double at = end > 0 ? (number + end) / (2 * end) * kBins : 0;
    return static_cast<uint32_t>(std::clamp(at, 0.0, kBins - 1.0));
  };
  // By what it became and where it was, and whether that is at most the largest.
  struct Cell {
    double inside = 0, outside = 0;
  };
  std::map<uint32_t, std::map<uint32_t, Cell>> became;
  for (size_t i = 0; i < wanted.size(); ++i) {
    const bool is_inside = std::abs(double{wanted[i]}) <= largest;
    Cell& cell = became[bin(got[i])][bin(wanted[i])];
    (is_inside ? cell.inside : cell.outside) += 1;
  }
  const auto count = static_cast<double>(wanted.size());
  double sum = 0;
  for (const auto& [number, cells] : became) {
    double all = 0, places = 0;
    for (const auto& [place, cell] : cells) {
      all += cell.inside;
      places += cell.inside > 0;
    }
    for (const auto& [place, cell] : cells) {
      const double p = (cell.inside + cell.outside) / count;
      const double part = cell.inside > 0 ? all / places : kPart;
      sum += p * std::log(p * count / part);
    }
  }
  return std::max(0.0, sum);
}

}  // namespace

std::string_view to_string(Fp8Loss loss) {
  for (const Named& name : kNames)
    if (name.loss == loss) return name.text;
  return "";
}

Expected<Fp8Loss> parse_fp8_loss(std::string_view word) {
  std::vector<std::string_view> known;
  for (const Named& name : kNames) {
    if (name.text == word) return name.loss;
    known.push_back(name.text);
  }
  return Error{
      fmt::format("calibration_loss_type: '{}', must be one of {}", word, fmt::join(known, ", ")),
      ErrorKind::Usage};
}

double fp8_loss(Fp8Loss loss, std::span<const float> wanted, std::span<const float> got) {
  CHECK(!wanted.empty() && wanted.size() == got.size());
  if (loss == Fp8Loss::Kld) return divergence(wanted, got);
  const Sums sums = sums_of(wanted, got);
  const auto count = static_cast<double>(wanted.size());
  switch (loss) {
    case Fp8Loss::Mse: return sums.squared_differences / count;
    case Fp8Loss::Mae: return sums.differences / count;
    case Fp8Loss::Snr: return ratio(sums.squared_differences, sums.wanted);
    case Fp8Loss::CosDist: return cosine_distance(sums);
    case Fp8Loss::Kld: break;
  }
  return 0;
}

std::vector<float> through_fp8(std::span<const float> numbers, DType fp8, int64_t scale) {
  std::vector<float> through;
  through.reserve(numbers.size());
  const double power = std::ldexp(1.0, static_cast<int>(scale));
  for (const float number : numbers)
    through.push_back(static_cast<float>(from_fp8(fp8, to_fp8(fp8, number / power)) * power));
  return through;
}

Fp8Scale best_fp8_scale(Fp8Loss loss, std::span<const float> numbers, DType fp8) {
  constexpr int64_t kFiner = 8;
  float largest = 0;
  for (const float number : numbers)
    if (std::isfinite(number)) largest = std::max(largest, std::abs(number));
  if (largest == 0) return {};
  int64_t most = kLeastFp8Scale;
  while (most < kMostFp8Scale &&
         std::ldexp(fp8_format(fp8).largest, static_cast<int>(most)) < largest)
    ++most;
  std::tuple<double, double> least{HUGE_VAL, HUGE_VAL};
  int64_t best = most;
  for (int64_t scale = most; scale >= std::max(kLeastFp8Scale, most - kFiner); --scale) {
    const std::vector<float> through = through_fp8(numbers, fp8, scale);
    const std::tuple<double, double> now{fp8_loss(loss, numbers, through),
                                         fp8_loss(Fp8Loss::Mse, numbers, through)};
    if (!(now < least)) continue;
    least = now;
    best = scale;
  }
  return {best, std::get<0>(least)};
}

}  // namespace tessera
