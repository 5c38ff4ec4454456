// SPDX-License-Identifier: Apache-2.0
#include "support/plain_text.h"

#include <cstddef>
#include <cstdint>

namespace tessera {
namespace {

// Bytes that follow a lead byte, and the smallest code that needs them.
struct Lead {
  uint8_t mask, bits;
  size_t follow;
  uint32_t smallest;
};
constexpr Lead kLeads[] = {
    {0x80, 0x00, 0, 0x20   },
    {0xe0, 0xc0, 1, 0x80   },
    {0xf0, 0xe0, 2, 0x800  },
    {0xf8, 0xf0, 3, 0x10000},
};

// The code at the front of `text`, which is taken off; false if there is none.
bool take_code(std::string_view& text, uint32_t& code) {
  const auto first = static_cast<uint8_t>(text[0]);
  for (const Lead& lead : kLeads) {
    if ((first & lead.mask) != lead.bits || text.size() <= lead.follow) continue;
    code = first & static_cast<uint8_t>(~lead.mask);
    for (size_t i = 1; i <= lead.follow; ++i) {
      const auto next = static_cast<uint8_t>(text[i]);
      if ((next & 0xc0) != 0x80) return false;
      code = code << 6 | (next & 0x3f);
    }
    text.remove_prefix(lead.follow + 1);
    return code >= lead.smallest;
  }
  return false;
}

}  // namespace

bool is_plain_text(std::string_view text) {
  while (!text.empty()) {
    uint32_t code = 0;
    if (!take_code(text, code)) return false;
    const bool control = code >= 0x7f && code < 0xa0;
    const bool surrogate = code >= 0xd800 && code < 0xe000;
    if (control || surrogate || code > 0x10ffff) return false;
  }
  return true;
}

std::string plain_name(const std::string& name) {
  if (is_plain_text(name)) return name;
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= ' ' && byte <= '~') {
      text += c;
    } else {
      text += "\\x";
      text += kDigits[byte >> 4];
      text += kDigits[byte & 15];
    }
  }
  return text;
}

}  // namespace tessera
