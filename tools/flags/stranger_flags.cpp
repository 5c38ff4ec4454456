// SPDX-License-Identifier: Apache-2.0
#include "tools/flags/stranger_flags.h"

namespace tessera::tools {
namespace {

void add_signature(po::options_description& flags) {
  flags.add_options()(
      "require_signature", po::value<std::string>(),
      "take only executables that this key has signed: a public key's file, or the "
      "key itself; the signature is FILE.minisig ('tessera sign' or 'minisign -S')");
}

}  // namespace

po::options_description signature_flags() {
  po::options_description flags("Trust");
  add_signature(flags);
  return flags;
}

po::options_description stranger_flags() {
  po::options_description flags("Trust");
  add_signature(flags);
  flags.add_options()("sandbox", po::bool_switch(),
                      "read, check, compile and run the executable in a process that can open no "
                      "file and no connection and start no other; its code is not cached");
  return flags;
}

Expected<std::optional<PublicKey>> required_key(const po::variables_map& flags) {
  if (!flags.count("require_signature")) return std::optional<PublicKey>();
  Expected<PublicKey> key = read_public_key(flags["require_signature"].as<std::string>());
  if (key.ok()) return std::optional<PublicKey>(key.take());
  return Error{"--require_signature: " + key.error().message, ErrorKind::Usage};
}

}  // namespace tessera::tools
