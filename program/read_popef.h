// SPDX-License-Identifier: Apache-2.0
// Reading executables. Headers, hashes and bounds are verified before anything is returned, and the
// Program with verify_program; what fails is a BadFile error that names the blob.
#pragma once

#include <string>

#include "program/popef.h"
#include "program/verify.h"
#include "support/expected.h"
#include "support/limits.h"

namespace tessera {

// `check` as for verify_program. A signature that is required is checked first. Refused: reading or
// verifying would cost more than the limits say.
Expected<Executable> read_popef(const PopefFile& file, const CheckComputeSet& check,
                                const Limits& limits = {});
Expected<Executable> read_popef(const std::string& path, const CheckComputeSet& check,
                                const Limits& limits = {});

}  // namespace tessera
