// SPDX-License-Identifier: Apache-2.0
// The host side of each codelet: one function a row of codelets.def, which foo.cpp defines. The
// table (codelet.cpp) adds the bitcode.
#pragma once

#include "codelets/codelet.h"

namespace tessera::codelets {

#define CODELET(name) Codelet name();
#include "codelets/codelets.def"
#undef CODELET

inline int64_t no_scratch(const VertexShape&) { return 0; }

}  // namespace tessera::codelets
