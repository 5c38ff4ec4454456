// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "codelets/abi.h"

namespace tessera {

struct ReduceConstants {
  Element x, out;
  int64_t takes_max;  // else the sum
};

}  // namespace tessera
