// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "codelets/abi.h"

namespace tessera {

struct RmsNormConstants {
  Element x;
  int64_t has_residual;
  Element residual, gamma, out;
  double eps;
};

}  // namespace tessera
