// SPDX-License-Identifier: Apache-2.0
// The assembler copies each file in as it is: no tool to install, no array to parse. The build
// defines TESSERA_BITCODE_DIR, and rebuilds this file when any bitcode changes.
#include "codelets/bitcode.h"

#define CODELET(name, ...)                                           \
  asm(".section .rodata.tessera_" #name                              \
      ",\"a\"\n"                                                     \
      ".balign 16\n"                                                 \
      "tessera_" #name                                               \
      "_bitcode:\n"                                                  \
      ".incbin \"" TESSERA_BITCODE_DIR "/" #name                     \
      ".bc\"\n"                                                      \
      "tessera_" #name                                               \
      "_bitcode_end:\n"                                              \
      ".previous\n");                                                \
  extern "C" const std::byte tessera_##name##_bitcode[];             \
  extern "C" const std::byte tessera_##name##_bitcode_end[];         \
  std::span<const std::byte> tessera::bitcode::name() {              \
    return {tessera_##name##_bitcode, tessera_##name##_bitcode_end}; \
  }
#include "codelets/codelets.def"
#undef CODELET
