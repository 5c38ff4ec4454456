// SPDX-License-Identifier: Apache-2.0
// --parallel auto: every way to use the IPUs is compiled and priced, and the best is kept.
#pragma once

#include <string>

#include "compiler/compile.h"

namespace tessera {

// Among the ways that fit, the one with the least time for a batch, or, for the goal of latency,
// from a batch's start to its end; where none fits, the one whose fullest tile has least, with its
// out_of_memory. CompileResult::choices has all of them, in the order in which they were tried.
Expected<CompileResult> compile_in_parallel(const std::string& model_path,
                                            const CompileOptions& options,
                                            const CompileProgress& progress);
// The choices as a table, and why the best is it.
std::string to_string(const std::vector<ParallelChoice>& choices, ParallelGoal goal);

}  // namespace tessera
