// SPDX-License-Identifier: Apache-2.0
// Calibration sets as users keep them.
#pragma once

#include <string>
#include <vector>

#include "check/samples.h"
#include "support/expected.h"
#include "support/limits.h"

namespace tessera::tools {

// Help of the flags that name a calibration set.
inline constexpr const char* kSampleHelp =
    "what the model will be given: a folder of requests, one subfolder each, as run takes them; "
    "a folder of NAME.npy by input, or NAME.npz of numpy.savez, with rows as the model takes "
    "them.";

// Each path is a folder of requests, one subfolder each; a folder of NAME.npy by input; or NAME.npz
// of numpy.savez. Names are those of the model's inputs, as file names spell them. Errors name the
// file.
Expected<std::vector<Sample>> read_samples(const std::vector<std::string>& paths,
                                           const std::string& model, const Limits& limits);

}  // namespace tessera::tools
