// SPDX-License-Identifier: Apache-2.0
// Flags for executables that somebody else made.
#pragma once

#include <optional>

#include "support/expected.h"
#include "support/minisign.h"
#include "tools/flags/program_options.h"

namespace tessera::tools {

// --require_signature, for verbs that load an executable.
po::options_description signature_flags();
Expected<std::optional<PublicKey>> required_key(const po::variables_map& flags);
// --require_signature and --sandbox, for verbs that run an executable.
po::options_description stranger_flags();

}  // namespace tessera::tools
