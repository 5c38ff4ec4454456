// SPDX-License-Identifier: Apache-2.0
// The nodes of an fp16 program that stay in fp32, and why, as a table.
#pragma once

#include <span>

#include "cost/inspection.h"

namespace tessera::tools {

// At most `most` lines, and the number of all. Nothing where nothing is kept.
void print_kept(std::span<const KeptLine> kept, size_t most);

}  // namespace tessera::tools
