// SPDX-License-Identifier: Apache-2.0
// The assembler copies each file in as it is. The build defines TESSERA_PAGE_DIR, and rebuilds this
// file when a part of the page changes.
#include "report/page_parts.h"

#include <cstddef>

#define PART(name, file)                                                           \
  asm(".section .rodata.tessera_page_" #name                                       \
      ",\"a\"\n"                                                                   \
      "tessera_page_" #name                                                        \
      ":\n"                                                                        \
      ".incbin \"" TESSERA_PAGE_DIR "/" file                                       \
      "\"\n"                                                                       \
      "tessera_page_" #name                                                        \
      "_end:\n"                                                                    \
      ".previous\n");                                                              \
  extern "C" const char tessera_page_##name[];                                     \
  extern "C" const char tessera_page_##name##_end[];                               \
  std::string_view tessera::page_##name() {                                        \
    return {tessera_page_##name,                                                   \
            static_cast<size_t>(tessera_page_##name##_end - tessera_page_##name)}; \
  }
PART(script, "page.js")
PART(style, "page.css")
#undef PART
