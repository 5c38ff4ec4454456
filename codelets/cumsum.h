// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "codelets/abi.h"

namespace tessera {

struct CumsumConstants {
  Element x, out;
};

}  // namespace tessera
