// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "codelets/abi.h"

namespace tessera {

struct ConcatConstants {
  Element element;
  int64_t inputs;
};

}  // namespace tessera
