// SPDX-License-Identifier: Apache-2.0
// How products are blocked for a host's caches: found by a measurement on that host (tune/host.h),
// and kept beside compiled codelets. No bit of an answer hangs on it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "codelets/matmul.h"
#include "program/program.h"
#include "support/expected.h"

namespace tessera {

// The blocks that are measured, the usual ones first.
std::vector<MatMulBlocks> tuning_candidates();

// The blocks that were found on a host of this CPU (LLVM's name; "": this one) with these codelets;
// nothing where the folder has none, or is not this user's alone (executor/object_cache.h).
std::optional<MatMulBlocks> read_tuning(const std::string& cache_folder, const std::string& cpu);
// Errors: no folder is given, or it cannot be used.
Status check_tuning_folder(const std::string& cache_folder);
// The same errors.
Status write_tuning(const std::string& cache_folder, const std::string& cpu,
                    const MatMulBlocks& blocks);

// Gives a product of the direct machine its blocks.
void add_blocks(const MatMulBlocks& blocks, std::vector<Param>& params);

}  // namespace tessera
