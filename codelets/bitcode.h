// SPDX-License-Identifier: Apache-2.0
// The LLVM bitcode of each codelet, embedded in this library at build time (CMakeLists.txt).
#pragma once

#include <cstddef>
#include <span>

namespace tessera::bitcode {

#define CODELET(name, ...) std::span<const std::byte> name();
#include "codelets/codelets.def"
#undef CODELET

}  // namespace tessera::bitcode
