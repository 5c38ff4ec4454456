// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "codelets/abi.h"

namespace tessera {

struct RotaryConstants {
  Element x, cos, sin, out;
  int64_t halves;
};

}  // namespace tessera
