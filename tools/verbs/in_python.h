// SPDX-License-Identifier: Apache-2.0
// Verbs whose work is in the Python package: this program knows their flags, so that help,
// completion and typing slips are as of any verb, and becomes `python3 -m tessera VERB WORDS`.
#pragma once

#include <string>
#include <vector>

#include "support/expected.h"

namespace tessera::tools {

// The Python that carries such verbs out: the variable TESSERA_PYTHON; without it the python3
// beside this program, as in a virtual environment; without that the one on the path.
std::string python_program();

// Becomes Python, and returns only where that cannot be started. Python says what to install where
// it does not have the package, and exits with this program's codes.
Status run_in_python(const std::string& verb, const std::vector<std::string>& words);

// The output of that Python for `program`, without stderr. An error if it cannot be started.
Expected<std::string> printed_by_python(const std::string& program);

}  // namespace tessera::tools
