// SPDX-License-Identifier: Apache-2.0
// The host side of each codelet: one function a row of codelets.def, which foo.cpp defines. The
// table (codelet.cpp) adds what the row says, and the bitcode.
#pragma once

#include "codelets/codelet.h"

namespace tessera::codelets {

#define CODELET(name, ...) Codelet name();
#include "codelets/codelets.def"
#undef CODELET

}  // namespace tessera::codelets
