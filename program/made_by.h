// SPDX-License-Identifier: Apache-2.0
// The words for an executable that this version cannot read, though its format is ours: another
// version of Tessera may know an op, a codelet or a field that this one does not.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace tessera {

// A sentence about the content of a metadata blob, whatever else it holds: "; Tessera 0.2.0 made
// the file and runs it, this is 0.1.0: …", or "" where this version made it or nobody can be told.
std::string another_version(std::span<const std::byte> metadata);

}  // namespace tessera
