// SPDX-License-Identifier: Apache-2.0
// The range of each value of a graph: an interval, whether its elements are whole numbers, and
// whether it is an activation.
//
// Where nothing bounds a value (a float input, what a matmul makes of one) the interval is
// infinite. Such a value is an activation: a number that training has kept moderate, which is what
// running a model in f16 relies on. That trust does not reach far: it covers a sum of a few
// activations and not one of all tokens, an activation and not the sum of its squares. So the
// analysis counts how many activations a value adds up, and of which power they are.
//
// One walk over the nodes, in their order.
#pragma once

#include <limits>
#include <string>
#include <unordered_map>

#include "ir/graph.h"
#include "support/interval.h"

namespace tessera {

struct ValueRange {
  static constexpr double kInfinite = std::numeric_limits<double>::infinity();

  double lo = -kInfinite, hi = kInfinite;  // every finite element lies between
  double step = 0;                         // every element is a multiple of it; 0: not known
  // Inputs and whole numbers alone went into it, by arithmetic that keeps whole numbers whole: what
  // ids and positions are, also where they travel as floats.
  bool given = false;
  bool activation = false;  // where the interval is wide, the value is moderate all the same
  // At most this many activations, of this power, add up to the value.
  double added = 1;
  int power = 1;

  double largest() const;  // magnitude
  bool operator==(const ValueRange&) const = default;
};

using ValueRanges = std::unordered_map<const Node*, ValueRange>;
// `declared`: of inputs whose type in the model is smaller than i32.
ValueRanges find_ranges(const Graph& graph, const NamedIntervals& declared = {});

// How many activations, added up, are still one.
inline constexpr double kFewActivations = 64;
// Powers are not counted beyond this one.
inline constexpr int kMostPower = 16;
// The least magnitude that f16 holds with all of its 11 bits.
inline constexpr double kLeastHalf = 0x1p-14;

// Whether f16 holds each element exactly: multiples of a number, at most 2048 times as large.
bool exact_in_half(const ValueRange& range);
// Whether f16 holds each element up to its rounding: not beyond 65504, not lost next to 0, and
// whole numbers exactly.
bool fits_half(const ValueRange& range);
// Whether it may be a product of activations that f16 does not hold, though each of them it does:
// trusted where weights are to meet it, and f32 where that costs nothing.
bool is_wide_product(const ValueRange& range);
// Whether it can be so near 0, and not 0 itself, that f16 rounds it badly or to 0.
bool may_vanish(const ValueRange& range);

// "0..511, whole", "any activation", "sums of 512 activations": for messages.
std::string to_string(const ValueRange& range);

}  // namespace tessera
