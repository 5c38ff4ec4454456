// SPDX-License-Identifier: Apache-2.0
// The constants that specialise each codelet, a struct a row of codelets.def. Both sides include
// this file: the host fills them in, the vertex is compiled for them.
#pragma once

#include "codelets/abi.h"
#include "codelets/attention.h"
#include "codelets/elementwise.h"
#include "codelets/epilogue.h"

namespace tessera {

#define CODELET(name, reads, writes, role, type, ...) \
  struct type {                                       \
    __VA_ARGS__                                       \
  };
#include "codelets/codelets.def"
#undef CODELET

}  // namespace tessera
