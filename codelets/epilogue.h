// SPDX-License-Identifier: Apache-2.0
// matmul and reduce_partials finish a sum before they store it:
//   out = activation(sum + bias) + residual
// Both sides share these constants; the host's functions are in charges.cpp.
#pragma once

#include "codelets/abi.h"

namespace tessera {

enum class Activation : int64_t { None = 0, Relu = 1, GeluErf = 2, GeluTanh = 3, Tanh = 4 };

struct EpilogueConstants {
  Element out;
  int64_t has_bias;
  Element bias;
  int64_t has_residual;
  Element residual;
  Activation activation;
};

}  // namespace tessera
