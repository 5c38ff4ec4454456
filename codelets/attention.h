// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "codelets/abi.h"

namespace tessera {

// Which keys a query sees; numbered as the param.
enum class Mask : int64_t { None = 0, Keys = 1, Segments = 2, Lengths = 3, Bias = 4 };

struct AttentionConstants {
  Element q, k, v, bias, out;
  Mask mask;
  double scale;
};

// Rows of queries that are worked on at once, at most; the scratch holds as many rows of scores.
inline constexpr int64_t kAttentionRows = 8;

}  // namespace tessera
