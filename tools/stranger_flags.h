// SPDX-License-Identifier: Apache-2.0
// Flags for executables that somebody else made.
#pragma once

#include <optional>

#include "support/minisign.h"
#include "tools/verb.h"

namespace tessera::tools {

// --require_signature, of everything that loads an executable.
po::options_description signature_flags();
Expected<std::optional<PublicKey>> required_key(const po::variables_map& flags);
// That and --sandbox, of everything that runs one.
po::options_description stranger_flags();

}  // namespace tessera::tools
