// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "codelets/abi.h"

namespace tessera {

struct CopyConstants {
  Element element;
  int64_t rank;
  int64_t perm[kVertexRank];
  int64_t step[kVertexRank];
};

}  // namespace tessera
