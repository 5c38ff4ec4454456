// SPDX-License-Identifier: Apache-2.0
// The half of minisign's format that needs a secret key.
#include <fmt/format.h>
#include <sodium.h>

#include "support/check.h"
#include "support/le.h"
#include "support/minisign.h"
#include "support/minisign_format.h"

namespace tessera {
namespace {

constexpr std::string_view kScrypt = "Sc";
constexpr std::string_view kBlake2b = "B2";
constexpr std::string_view kNoPassword{"\0\0", 2};

// The part of a secret key that a password hides.
struct Hidden {
  KeyNumber number;
  std::array<unsigned char, crypto_sign_SECRETKEYBYTES> key;
  std::array<unsigned char, 32> checksum;
};

struct SecretKeyBytes {
  char algorithm[2], derivation[2], checksum[2];
  std::array<unsigned char, crypto_pwhash_scryptsalsa208sha256_SALTBYTES> salt;
  Le<uint64_t> operations, bytes;
  Hidden hidden;
};
static_assert(sizeof(SecretKeyBytes) == 158);

// Wipes what a function leaves behind.
template <class T>
struct Wiped {
  T value{};
  ~Wiped() { sodium_memzero(&value, sizeof value); }
};

std::array<unsigned char, 32> checksum_of(const Hidden& hidden) {
  crypto_generichash_state state;
  std::array<unsigned char, 32> digest;
  crypto_generichash_init(&state, nullptr, 0, digest.size());
  crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(kEd25519.data()),
                            kEd25519.size());
  crypto_generichash_update(&state, hidden.number.data(), hidden.number.size());
  crypto_generichash_update(&state, hidden.key.data(), hidden.key.size());
  crypto_generichash_final(&state, digest.data(), digest.size());
  return digest;
}

// Hides, or shows again what was hidden.
Status mask(SecretKeyBytes& bytes, const std::string& password) {
  const PasswordCost most;
  if (bytes.operations > most.operations || bytes.bytes > most.bytes)
    return bad_file("its password takes more work or memory than minisign asks for, must not");
  Wiped<std::array<unsigned char, sizeof(Hidden)>> stream;
  if (crypto_pwhash_scryptsalsa208sha256(stream.value.data(), stream.value.size(), password.data(),
                                         password.size(), bytes.salt.data(), bytes.operations,
                                         bytes.bytes) != 0)
    return Error{fmt::format("there is not enough memory for its password, which takes {} MiB",
                             static_cast<uint64_t>(bytes.bytes) >> 20)};
  auto* hidden = reinterpret_cast<unsigned char*>(&bytes.hidden);
  for (size_t i = 0; i < sizeof(Hidden); ++i) hidden[i] ^= stream.value[i];
  return {};
}

}  // namespace

SecretKey::~SecretKey() { sodium_memzero(key.data(), key.size()); }
SecretKey::SecretKey(SecretKey&& other) noexcept : number(other.number), key(other.key) {
  sodium_memzero(other.key.data(), other.key.size());
}

SecretKey SecretKey::generate() {
  CHECK(sodium_init() >= 0);
  SecretKey made;
  PublicKey open;
  crypto_sign_keypair(open.key.data(), made.key.data());
  randombytes_buf(made.number.data(), made.number.size());
  return made;
}

PublicKey SecretKey::public_key() const {
  PublicKey open{number, {}};
  crypto_sign_ed25519_sk_to_pk(open.key.data(), key.data());
  return open;
}

Expected<SecretKey> parse_secret_key(std::string_view text, const AskPassword& password) {
  const std::vector<std::string_view> lines = text_lines(text);
  Wiped<SecretKeyBytes> stored;
  SecretKeyBytes& bytes = stored.value;
  if (lines.size() != 2 || !lines[0].starts_with(kUntrusted) || !from_base64(lines[1], bytes) ||
      std::string_view(bytes.algorithm, 2) != kEd25519 ||
      std::string_view(bytes.checksum, 2) != kBlake2b)
    return bad_file("is not a secret key of minisign's form");
  const std::string_view derivation(bytes.derivation, 2);
  if (derivation == kScrypt) {
    TRY(mask(bytes, TRY(password())));
    if (bytes.hidden.checksum != checksum_of(bytes.hidden)) return Error{"the password is wrong"};
  } else if (derivation != kNoPassword) {
    return bad_file("its password is hidden in a way that is not known, must be by scrypt");
  }
  SecretKey key;
  key.number = bytes.hidden.number;
  key.key = bytes.hidden.key;
  // The public half is stored behind the seed: one that does not fit it would give the seed away.
  Wiped<std::array<unsigned char, crypto_sign_SECRETKEYBYTES>> again;
  PublicKey open;
  crypto_sign_seed_keypair(open.key.data(), again.value.data(), key.key.data());
  if (again.value != key.key) return bad_file("its halves do not belong together, must");
  return key;
}

Expected<std::string> secret_key_text(const SecretKey& key,
                                      const std::optional<std::string>& password,
                                      const PasswordCost& cost) {
  CHECK(sodium_init() >= 0);
  Wiped<SecretKeyBytes> stored;
  SecretKeyBytes& bytes = stored.value;
  std::memcpy(bytes.algorithm, kEd25519.data(), 2);
  std::memcpy(bytes.checksum, kBlake2b.data(), 2);
  bytes.hidden = {key.number, key.key, {}};
  bytes.hidden.checksum = checksum_of(bytes.hidden);
  if (password) {
    std::memcpy(bytes.derivation, kScrypt.data(), 2);
    randombytes_buf(bytes.salt.data(), bytes.salt.size());
    bytes.operations = cost.operations;
    bytes.bytes = cost.bytes;
    TRY(mask(bytes, *password));
  }
  return fmt::format("{}minisign {} secret key\n{}\n", kUntrusted,
                     password ? "encrypted" : "unencrypted", to_base64(bytes));
}

Expected<std::string> sign(std::span<const std::byte> bytes, const SecretKey& key,
                           std::string_view trusted_comment) {
  if (!is_comment(trusted_comment) || trusted_comment.size() > kMostComment)
    return Error{fmt::format("comment: must be one line of UTF-8 without control characters, at "
                             "most {} bytes",
                             kMostComment),
                 ErrorKind::Usage};
  SignatureBytes made{
      {'E', 'D'},
      key.number, {}
  };
  const auto digest = blake2b(bytes);
  crypto_sign_detached(made.signature.data(), nullptr, digest.data(), digest.size(),
                       key.key.data());
  const std::string commented = comment_bytes(made.signature, trusted_comment);
  std::array<unsigned char, crypto_sign_BYTES> over;
  crypto_sign_detached(over.data(), nullptr,
                       reinterpret_cast<const unsigned char*>(commented.data()), commented.size(),
                       key.key.data());
  return fmt::format("{}signature from tessera's secret key {}\n{}\ntrusted comment: {}\n{}\n",
                     kUntrusted, to_string(key.number), to_base64(made), trusted_comment,
                     to_base64(over));
}

}  // namespace tessera
