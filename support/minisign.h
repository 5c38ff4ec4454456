// SPDX-License-Identifier: Apache-2.0
// Signatures in minisign's file format: FILE.minisig stands beside FILE, and `minisign -V` checks
// what we sign as we check what minisign signed. Ed25519 over the BLAKE2b-512 of the file; the
// trusted comment is signed too. Only prehashed signatures ("ED") are made and taken.
//
// Plain functions over bytes in memory: what was checked is what the caller holds.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "support/expected.h"

namespace tessera {

using KeyNumber = std::array<unsigned char, 8>;
std::string to_string(const KeyNumber& number);  // as minisign shows it: "BFDEB22CF755A3B8"

struct PublicKey {
  KeyNumber number{};
  std::array<unsigned char, 32> key{};
};

// The text of a public key file, or its second line alone. Errors are BadFile.
Expected<PublicKey> parse_public_key(std::string_view text);
// A file's path, or the key itself in base64.
Expected<PublicKey> read_public_key(const std::string& path_or_key);
std::string public_key_text(const PublicKey& key);

// Whether `signature` (the text of a .minisig) is this key's over these bytes. Its trusted comment,
// or what is wrong, BadFile: "is signed by key X, must be by Y".
Expected<std::string> check_signature(std::span<const std::byte> bytes, std::string_view signature,
                                      const PublicKey& key);
// Whose FILE.minisig says that it is; nothing is checked but its form.
Expected<KeyNumber> signer_of(std::string_view signature);

// Wiped when it goes.
class SecretKey {
 public:
  static SecretKey generate();
  SecretKey() = default;
  ~SecretKey();
  SecretKey(SecretKey&& other) noexcept;
  SecretKey& operator=(SecretKey&&) = delete;

  PublicKey public_key() const;

  KeyNumber number{};
  std::array<unsigned char, 64> key{};
};

// How much work and memory a password's scrypt takes, in libsodium's measures. minisign's own
// choice, a gibibyte and some seconds, is the default.
struct PasswordCost {
  uint64_t operations = 33'554'432;
  uint64_t bytes = uint64_t{1} << 30;
};

// `password` is asked only for a key that has one. Errors: BadFile, or what `password` says; a
// wrong password is Failed.
using AskPassword = std::function<Expected<std::string>()>;
Expected<SecretKey> parse_secret_key(std::string_view text, const AskPassword& password);
// Without a password the key is stored as it is.
Expected<std::string> secret_key_text(const SecretKey& key,
                                      const std::optional<std::string>& password,
                                      const PasswordCost& cost = {});
// The text of a .minisig. The comment is one line of plain text; tabs may be in it.
Expected<std::string> sign(std::span<const std::byte> bytes, const SecretKey& key,
                           std::string_view trusted_comment);

}  // namespace tessera
