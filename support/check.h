// SPDX-License-Identifier: Apache-2.0
// CHECK states what only our own mistake can break. It is always on, and it ends the process: a
// compiler that went on would write a wrong program.
#pragma once

namespace tessera {

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace tessera

#define CHECK(condition)                                                       \
  do {                                                                         \
    if (!(condition)) ::tessera::check_failed(#condition, __FILE__, __LINE__); \
  } while (false)
