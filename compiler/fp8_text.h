// SPDX-License-Identifier: Apache-2.0
// Formats and powers of two of fp8 as text: PopRT's --fp8_params, and those of single matmuls, as
// calibration finds them.
#pragma once

#include <string>
#include <vector>

#include "compiler/options.h"
#include "support/expected.h"

namespace tessera {

// "F143,F143,-1,-1": the input's format, the weight's, the input's power of two, the weight's.
// Usage errors begin with `where`.
Expected<Fp8Params> parse_fp8_params(const std::string& where, const std::string& text);
std::string to_string(const Fp8Params& params);

// Words "NAME=F143:F143:-1:-4", in each one or several with commas between; and that text.
Expected<Fp8ByName> parse_fp8_by_name(const std::string& where,
                                      const std::vector<std::string>& words);
std::string to_string(const Fp8ByName& params);

}  // namespace tessera
