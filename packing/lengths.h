// SPDX-License-Identifier: Apache-2.0
// Where lengths come from: a list of them, or how many there are of each.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "packing/histogram.h"
#include "support/expected.h"

namespace tessera {

// A length is 1 .. kLongestLength; a file holds at most kMostRequests of them.
inline constexpr int64_t kLongestLength = int64_t{1} << 24;
inline constexpr int64_t kMostRequests = int64_t{1} << 24;

// By the file's ending, else a BadFile error:
//   .npy    one-dimensional, int32 or int64: a length each
//   .jsonl  an object a line: its "length", or the number of items of its "input_ids"
// Errors name the file and the line or index of what is wrong.
Expected<std::vector<int64_t>> read_lengths(const std::string& path);

// A line "length,count" first, then one such line of numbers for each length. Errors name file and
// line: not two whole numbers, a length out of range or given twice, a count that is negative or
// makes more than 2^53 tokens.
Expected<LengthHistogram> read_histogram_csv(const std::string& path);

// `count` lengths drawn independently, each as often as the histogram has it. The same seed gives
// the same lengths on every host. The histogram must not be empty.
std::vector<int64_t> draw_lengths(const LengthHistogram& histogram, int64_t count, uint64_t seed);

}  // namespace tessera
