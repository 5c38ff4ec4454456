// SPDX-License-Identifier: Apache-2.0
// Flags of everything that runs a model through a Session.
#pragma once

#include "session/session.h"
#include "support/expected.h"
#include "tools/flags/program_options.h"

namespace tessera::tools {

po::options_description session_flags();
// compile and machine are the caller's to set. Errors are of kind Usage.
Expected<SessionOptions> session_options(const po::variables_map& flags);

// An error that names the first of them that was given.
Status check_no_session_flags(const po::variables_map& flags);

}  // namespace tessera::tools
