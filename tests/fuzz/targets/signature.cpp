// SPDX-License-Identifier: Apache-2.0
// A public key, a secret key or a signature in minisign's form, whichever the bytes are.
#include "support/minisign.h"
#include "tests/fuzz/target.h"
#include "tests/fuzz/text_mutator.h"

namespace tessera::fuzz {
namespace {

// A key that nobody else has: whatever is taken as its signature was forged.
const SecretKey& our_key() {
  static const SecretKey key = SecretKey::generate();
  return key;
}
constexpr std::string_view kFile = "the file";

void try_signature(std::string_view input) {
  const auto bytes = std::as_bytes(std::span(kFile));
  demand(!check_signature(bytes, input, our_key().public_key()).ok(), "it was forged");
  const auto signer = signer_of(input);
  if (!signer.ok()) return demand(!signer.error().message.empty(), "an error without words");
  note("signatures");
  // By the very key that it names, it is another's.
  PublicKey named = our_key().public_key();
  named.number = *signer;
  demand(!check_signature(bytes, input, named).ok(), "it was forged by a number");
}

}  // namespace

void run(std::string_view input) {
  try_signature(input);
  if (const auto open = parse_public_key(input); open.ok()) {
    note("public keys");
    const auto again = parse_public_key(public_key_text(*open));
    demand(again.ok() && again->key == open->key, "written and read, it is another");
  }
  // No password is known: scrypt would take a gibibyte each time.
  const auto secret =
      parse_secret_key(input, [] { return Expected<std::string>(Error{"there is no password"}); });
  if (!secret.ok()) return demand(!secret.error().message.empty(), "an error without words");
  note("secret keys");
  const auto signature = sign(std::as_bytes(std::span(kFile)), *secret, "x");
  demand(
      signature.ok() &&
          check_signature(std::as_bytes(std::span(kFile)), *signature, secret->public_key()).ok(),
      "what it signs is not its own");
}

std::string mutate(std::string_view input, Random& random) {
  return random.one_in(2) ? mutate_text(input, random) : mutate_bytes(input, random);
}

}  // namespace tessera::fuzz
