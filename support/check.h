// SPDX-License-Identifier: Apache-2.0
// CHECK states what only our own mistake can break. It is always on, and it ends the process: a
// compiler that went on would write a wrong program.
#pragma once

#include <string>
#include <string_view>

namespace tessera {

[[noreturn]] void check_failed(const char* condition, const char* file, int line);
// "internal error: WHAT", and how to report it: with the version, and the command of this process.
// Only for our own mistakes, never for what a user's input, environment or machine can cause.
std::string internal_error(std::string_view what);

}  // namespace tessera

#define CHECK(condition)                                                       \
  do {                                                                         \
    if (!(condition)) ::tessera::check_failed(#condition, __FILE__, __LINE__); \
  } while (false)
