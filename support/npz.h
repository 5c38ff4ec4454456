// SPDX-License-Identifier: Apache-2.0
// NumPy's .npz files, as numpy.savez writes them: a ZIP archive of .npy files that are stored and
// not compressed. The file is hostile: nothing that it says of sizes and places is believed.
#pragma once

#include <map>
#include <string>

#include "support/expected.h"
#include "support/npy.h"

namespace tessera {

// By name, without ".npy". Errors: no ZIP archive, one that is cut off, one of 4 GiB or more; an
// entry that is compressed or is not a .npy file; more than `most` bytes in all.
Expected<std::map<std::string, NpyArray>> read_npz(const std::string& path,
                                                   int64_t most = kMostArrayBytes);

}  // namespace tessera
