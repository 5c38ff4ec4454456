// SPDX-License-Identifier: Apache-2.0
// Runs batches of one shape on an executable of a larger shape: rows and tokens are added before
// the run and cut off after it. The executable's contract says what may be added
// (PackingContract::request_size), as its compiler has proved.
#pragma once

#include <string>
#include <vector>

#include "compiler/options.h"
#include "program/popef.h"
#include "session/key.h"

namespace tessera {

// Whether the inputs of both are [rows,tokens], of one size within each, and those of `larger` have
// at least as many rows and tokens.
bool covers(const InputShapes& larger, const InputShapes& asked);

// Why batches of these shapes may not be padded to this executable; "" if they may.
std::string why_not_padded(const Metadata& larger, const InputShapes& asked);

// The smallest of `keys` that differs from `asked` only in the sizes of inputs and covers them; of
// equally small ones the first in the order of shapes. Null if there is none.
const ExecutableKey* smallest_that_serves(const std::vector<const ExecutableKey*>& keys,
                                          const ExecutableKey& asked);

}  // namespace tessera
