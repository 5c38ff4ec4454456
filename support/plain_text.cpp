// SPDX-License-Identifier: Apache-2.0
#include "support/plain_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>

namespace tessera {
namespace {

// Bytes that follow a lead byte, and the smallest code that needs them.
struct Lead {
  uint8_t mask, bits;
  size_t follow;
  uint32_t smallest;
};
constexpr Lead kLeads[] = {
    {0x80, 0x00, 0, 0      },
    {0xe0, 0xc0, 1, 0x80   },
    {0xf0, 0xe0, 2, 0x800  },
    {0xf8, 0xf0, 3, 0x10000},
};

// The code at the front of `text`, which is taken off; false if there is none, and then `text` is
// as it was.
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
    if (code < lead.smallest) return false;
    text.remove_prefix(lead.follow + 1);
    return true;
  }
  return false;
}

bool is_scalar(uint32_t code) { return code <= 0x10ffff && (code < 0xd800 || code >= 0xe000); }
bool is_control(uint32_t code) { return code < 0x20 || (code >= 0x7f && code < 0xa0); }

// Characters that show as nothing, or move others. Unicode's Default_Ignorable_Code_Point
// with its Bidi_Control, and the separators of lines and of annotations.
struct Range {
  uint32_t first, last;
};
constexpr Range kUnseen[] = {
    {0x00ad,  0x00ad },
    {0x034f,  0x034f },
    {0x061c,  0x061c },
    {0x115f,  0x1160 },
    {0x17b4,  0x17b5 },
    {0x180b,  0x180f },
    {0x200b,  0x200f },
    {0x2028,  0x202e },
    {0x2060,  0x206f },
    {0x3164,  0x3164 },
    {0xfe00,  0xfe0f },
    {0xfeff,  0xfeff },
    {0xffa0,  0xffa0 },
    {0xfff0,  0xfffb },
    {0x1bca0, 0x1bca3},
    {0x1d173, 0x1d17a},
    {0xe0000, 0xe0fff},
};

bool is_unseen(uint32_t code) {
  return std::ranges::any_of(
      kUnseen, [&](const Range& range) { return code >= range.first && code <= range.last; });
}

void add_escape(std::string& out, uint32_t code) {
  if (code == '\n') {
    out += "\\n";
  } else if (code == '\t') {
    out += "\\t";
  } else if (code == '\r') {
    out += "\\r";
  } else if (code < 0x80) {
    fmt::format_to(std::back_inserter(out), "\\x{:02x}", code);
  } else if (code < 0x10000) {
    fmt::format_to(std::back_inserter(out), "\\u{:04x}", code);
  } else {
    fmt::format_to(std::back_inserter(out), "\\U{:08x}", code);
  }
}

std::string filtered(std::string_view text, bool keep_lines) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::string_view before = text;
    uint32_t code = 0;
    if (!take_code(text, code) || !is_scalar(code)) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<uint8_t>(before[0]));
      text = before.substr(1);
    } else if (keep_lines && code == '\n') {
      out += '\n';
    } else if (is_control(code) || is_unseen(code)) {
      add_escape(out, code);
    } else {
      out += before.substr(0, before.size() - text.size());
    }
  }
  return out;
}

}  // namespace

bool is_plain_text(std::string_view text) {
  while (!text.empty()) {
    uint32_t code = 0;
    if (!take_code(text, code) || is_control(code) || !is_scalar(code)) return false;
  }
  return true;
}

std::string visible(std::string_view text) { return filtered(text, false); }
std::string visible_lines(std::string_view text) { return filtered(text, true); }

std::string shell_word(std::string_view text) {
  const auto is_safe = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_-./=,:@%+").find(c) != std::string_view::npos;
  };
  if (!text.empty() && std::ranges::all_of(text, is_safe)) return std::string(text);
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace tessera
