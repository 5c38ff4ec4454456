// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "codelets/abi.h"

namespace tessera {

struct GatherConstants {
  Element element;
};

}  // namespace tessera
