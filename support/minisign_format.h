// SPDX-License-Identifier: Apache-2.0
// The bytes of minisign's files, for minisign.cpp and minisign_keys.cpp: structs without padding,
// in base64, between lines of comments.
#pragma once

#include <sodium.h>

#include <array>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/minisign.h"

namespace tessera {

inline constexpr std::string_view kUntrusted = "untrusted comment: ";
inline constexpr std::string_view kEd25519 = "Ed";
inline constexpr std::string_view kPrehashed = "ED";
inline constexpr size_t kMostComment = 8192 - 64;  // minisign reads no longer line

struct SignatureBytes {
  char algorithm[2];
  KeyNumber number;
  std::array<unsigned char, crypto_sign_BYTES> signature;
};
static_assert(sizeof(SignatureBytes) == 74);

template <class T>
std::string to_base64(const T& bytes) {
  constexpr int kVariant = sodium_base64_VARIANT_ORIGINAL;
  std::string text(sodium_base64_encoded_len(sizeof bytes, kVariant), '\0');
  sodium_bin2base64(text.data(), text.size(), reinterpret_cast<const unsigned char*>(&bytes),
                    sizeof bytes, kVariant);
  text.pop_back();  // the terminating zero
  return text;
}

// Whether the text is the base64 of a T, and of nothing more.
template <class T>
bool from_base64(std::string_view text, T& to) {
  std::array<unsigned char, sizeof(T)> bytes;
  size_t got = 0;
  const char* end = nullptr;
  if (sodium_base642bin(bytes.data(), bytes.size(), text.data(), text.size(), nullptr, &got, &end,
                        sodium_base64_VARIANT_ORIGINAL) != 0)
    return false;
  if (got != sizeof(T) || end != text.data() + text.size()) return false;
  std::memcpy(&to, bytes.data(), sizeof(T));
  return true;
}

inline Error bad_file(std::string message) { return {std::move(message), ErrorKind::BadFile}; }

std::vector<std::string_view> text_lines(std::string_view text);
bool is_comment(std::string_view text);  // plain, tabs apart
std::array<unsigned char, 64> blake2b(std::span<const std::byte> bytes);
// The bytes that the second signature covers.
inline std::string comment_bytes(const std::array<unsigned char, crypto_sign_BYTES>& signature,
                                 std::string_view comment) {
  return std::string(signature.begin(), signature.end()) + std::string(comment);
}

}  // namespace tessera
