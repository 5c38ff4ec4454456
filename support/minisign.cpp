// SPDX-License-Identifier: Apache-2.0
// A stranger's signature and a public key are parsed here, and compared with the file.
#include "support/minisign.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>

#include "support/file.h"
#include "support/minisign_format.h"
#include "support/plain_text.h"

namespace tessera {
namespace {

constexpr size_t kMostText = size_t{1} << 16;  // of a key or signature file
constexpr std::string_view kTrusted = "trusted comment: ";

struct PublicKeyBytes {
  char algorithm[2];
  KeyNumber number;
  std::array<unsigned char, 32> key;
};
static_assert(sizeof(PublicKeyBytes) == 42);

struct ParsedSignature {
  SignatureBytes signature;
  std::string trusted_comment;
  std::array<unsigned char, crypto_sign_BYTES> comment_signature;
};

Expected<ParsedSignature> parse_signature(std::string_view text) {
  const std::vector<std::string_view> lines = text_lines(text);
  if (lines.size() != 4 || !lines[0].starts_with(kUntrusted) || !lines[2].starts_with(kTrusted))
    return bad_file("is not a signature of minisign's form, must have its four lines");
  ParsedSignature parsed;
  if (!from_base64(lines[1], parsed.signature) || !from_base64(lines[3], parsed.comment_signature))
    return bad_file("a line must be the base64 of a signature");
  const std::string_view algorithm(parsed.signature.algorithm, 2);
  if (algorithm == "Ed")
    return bad_file(
        "is a signature of minisign's old form, must be prehashed: sign the file again");
  if (algorithm != kPrehashed)
    return bad_file("is signed in a way that is not known, must be 'ED'");
  parsed.trusted_comment = lines[2].substr(kTrusted.size());
  return parsed;
}

}  // namespace

// Most significant byte first.
std::string to_string(const KeyNumber& number) {
  std::string text;
  for (auto byte = number.rbegin(); byte != number.rend(); ++byte)
    text += fmt::format("{:02X}", *byte);
  return text;
}

std::vector<std::string_view> text_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

bool is_comment(std::string_view text) {
  std::string without_tabs(text);
  std::ranges::replace(without_tabs, '\t', ' ');
  return is_plain_text(without_tabs);
}

std::array<unsigned char, 64> blake2b(std::span<const std::byte> bytes) {
  static const bool fastest = sodium_init() >= 0;  // chooses an implementation for this CPU
  static_cast<void>(fastest);
  std::array<unsigned char, 64> digest;
  crypto_generichash(digest.data(), digest.size(),
                     reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), nullptr,
                     0);
  return digest;
}

Expected<PublicKey> parse_public_key(std::string_view text) {
  const std::vector<std::string_view> lines = text_lines(text);
  const bool has_comment = lines.size() == 2 && lines[0].starts_with(kUntrusted);
  PublicKeyBytes bytes;
  if ((lines.size() != 1 && !has_comment) || !from_base64(lines.back(), bytes) ||
      std::string_view(bytes.algorithm, 2) != kEd25519)
    return bad_file("is not a public key of minisign's form");
  return PublicKey{bytes.number, bytes.key};
}

Expected<PublicKey> read_public_key(const std::string& path_or_key) {
  if (Expected<PublicKey> key = parse_public_key(path_or_key); key.ok()) return key;
  const auto text = read_text_file(path_or_key, kMostText);
  if (!text.ok())
    return Error{text.error().message + ", must be a public key or its file", text.error().kind};
  Expected<PublicKey> key = parse_public_key(*text);
  if (!key.ok()) return bad_file(path_or_key + ": " + key.error().message);
  return key;
}

std::string public_key_text(const PublicKey& key) {
  const PublicKeyBytes bytes{
      {'E', 'd'},
      key.number, key.key
  };
  return fmt::format("{}minisign public key {}\n{}\n", kUntrusted, to_string(key.number),
                     to_base64(bytes));
}

Expected<KeyNumber> signer_of(std::string_view signature) {
  return TRY(parse_signature(signature)).signature.number;
}

Expected<std::string> check_signature(std::span<const std::byte> bytes, std::string_view signature,
                                      const PublicKey& key) {
  const ParsedSignature parsed = TRY(parse_signature(signature));
  if (parsed.signature.number != key.number)
    return bad_file(fmt::format("is signed by key {}, must be by {}",
                                to_string(parsed.signature.number), to_string(key.number)));
  const auto digest = blake2b(bytes);
  if (crypto_sign_verify_detached(parsed.signature.signature.data(), digest.data(), digest.size(),
                                  key.key.data()) != 0)
    return bad_file(fmt::format("is not what key {} signed: the file or its signature was changed",
                                to_string(key.number)));
  const std::string commented = comment_bytes(parsed.signature.signature, parsed.trusted_comment);
  if (crypto_sign_verify_detached(parsed.comment_signature.data(),
                                  reinterpret_cast<const unsigned char*>(commented.data()),
                                  commented.size(), key.key.data()) != 0)
    return bad_file(fmt::format("its trusted comment is not what key {} signed: it was changed",
                                to_string(key.number)));
  if (!is_comment(parsed.trusted_comment))
    return bad_file("its trusted comment must be UTF-8 without control characters");
  return parsed.trusted_comment;
}

}  // namespace tessera
