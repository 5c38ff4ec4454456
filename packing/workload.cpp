// SPDX-License-Identifier: Apache-2.0
// Sources: NumPy numpy/random/src/legacy/legacy-distributions.c (legacy_gauss),
// src/distributions/distributions.c (buffered_bounded_masked_uint32), src/mt19937/mt19937.h
// (mt19937_next_double). std::mt19937 is the generator and the seeding of mt19937_seed.
#include "packing/workload.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "support/check.h"

namespace tessera {

double NumpyRandom::uniform() {
  const uint32_t high = generator_() >> 5;
  const uint32_t low = generator_() >> 6;
  return (high * 67108864.0 + low) / 9007199254740992.0;
}

// The polar method: a point in the unit disc gives two normals, the second kept for the next call.
double NumpyRandom::normal(double mean, double deviation) {
  if (has_spare_) {
    has_spare_ = false;
    return mean + deviation * spare_;
  }
  double x, y, square;
  do {
    x = 2.0 * uniform() - 1.0;
    y = 2.0 * uniform() - 1.0;
    square = x * x + y * y;
  } while (square >= 1.0 || square == 0.0);
  const double factor = std::sqrt(-2.0 * std::log(square) / square);
  spare_ = factor * x;
  has_spare_ = true;
  return mean + deviation * (factor * y);
}

uint32_t NumpyRandom::below(uint32_t limit) {
  CHECK(limit >= 1);
  const uint32_t largest = limit - 1;
  if (largest == 0) return 0;
  const uint32_t mask = UINT32_MAX >> std::countl_zero(largest);
  uint32_t value;
  do value = static_cast<uint32_t>(generator_()) & mask;
  while (value > largest);
  return value;
}

namespace {

constexpr int64_t kMaxTokens = int64_t{1} << 28;

Status check_options(const WorkloadOptions& options) {
  const auto must_be = [](const char* what, auto value, const std::string& range) {
    return Error{
        std::string("workload: ") + what + " is " + std::to_string(value) + ", must be " + range,
        ErrorKind::Usage};
  };
  if (options.longest < 1 || options.longest > kMaxTokens)
    return must_be("longest length", options.longest, "in 1.." + std::to_string(kMaxTokens));
  if (options.count < 0 || options.count > kMaxTokens / options.longest)
    return must_be("count", options.count,
                   "in 0.." + std::to_string(kMaxTokens / options.longest) +
                       " where requests may have " + std::to_string(options.longest) + " tokens");
  if (!(std::abs(options.average) <= 1e9))
    return must_be("average length", options.average, "within 1e9");
  if (options.vocabulary < 1) return must_be("vocabulary", options.vocabulary, ">= 1");
  return {};
}

std::vector<int64_t> draw(NumpyRandom& random, const WorkloadOptions& options) {
  std::vector<int64_t> lengths(static_cast<size_t>(options.count));
  const auto longest = static_cast<double>(options.longest);
  for (int64_t& length : lengths) {
    const double drawn = random.normal(options.average, options.average);
    length = static_cast<int64_t>(std::clamp(drawn, 1.0, longest));
  }
  return lengths;
}

Workload fill(NumpyRandom& random, std::span<const int64_t> lengths, int32_t vocabulary) {
  Workload workload;
  for (const int64_t length : lengths) {
    SyntheticRequest& request = workload.emplace_back();
    request.ids.resize(static_cast<size_t>(length));
    request.types.resize(static_cast<size_t>(length));
    for (int32_t& id : request.ids)
      id = static_cast<int32_t>(random.below(static_cast<uint32_t>(vocabulary)));
    for (int32_t& type : request.types) type = static_cast<int32_t>(random.below(2));
  }
  return workload;
}

}  // namespace

Expected<std::vector<int64_t>> synthetic_lengths(const WorkloadOptions& options) {
  TRY(check_options(options));
  NumpyRandom random(options.seed);
  return draw(random, options);
}

Expected<Workload> synthetic_workload(const WorkloadOptions& options) {
  TRY(check_options(options));
  NumpyRandom random(options.seed);
  const std::vector<int64_t> lengths = draw(random, options);
  return fill(random, lengths, options.vocabulary);
}

Expected<Workload> workload_of(std::span<const int64_t> lengths, int32_t vocabulary,
                               uint32_t seed) {
  int64_t tokens = 0, longest = 1;
  for (const int64_t length : lengths) {
    CHECK(length >= 1);
    longest = std::max(longest, length);
    if (length > kMaxTokens - tokens)
      return Error{
          "workload: has more than " + std::to_string(kMaxTokens) + " tokens, must not have more",
          ErrorKind::Usage};
    tokens += length;
  }
  TRY(check_options({.seed = seed, .count = 0, .longest = longest, .vocabulary = vocabulary}));
  NumpyRandom random(seed);
  return fill(random, lengths, vocabulary);
}

}  // namespace tessera
