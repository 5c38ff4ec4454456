// SPDX-License-Identifier: Apache-2.0
// NumPy's .npz archives: many .npy files in one, as numpy.savez and numpy.savez_compressed write
// them. Here an archive stands for a folder, and the names of its entries are paths in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "support/expected.h"
#include "support/npy.h"

namespace tessera::tools {

// Arrays by the names of their entries: "input_ids.npy", "3/input_ids.npy".
using NpzArrays = std::map<std::string, NpyArray>;

// `path` is for messages. An archive is refused whole where an entry is not a .npy file, is there
// twice, is encrypted, or is packed by a method that NumPy does not use. An archive may claim any
// sizes: what its entries unpack to is at most `most` bytes, all together.
Expected<NpzArrays> npz_from(std::span<const std::byte> file, const std::string& path,
                             int64_t most);
// The same of a file; a pipe is refused.
Expected<NpzArrays> read_npz(const std::string& path, int64_t most);

// The bytes of an archive with these entries, not compressed, as numpy.savez writes it; the same
// arrays give the same bytes.
Expected<std::string> npz_of(const NpzArrays& arrays);

}  // namespace tessera::tools
