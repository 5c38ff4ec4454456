// SPDX-License-Identifier: Apache-2.0
// A model that says which ids it was handed: each token of the output is a number of a table, by
// id. Rows of 8 tokens, two of them, and five ids.
#pragma once

#include <memory>

#include "tests/helpers/tiny_executable.h"

namespace tessera {

// Its runner, of one thread. The input is input_ids, the output y, of `dtype` as `table` is.
std::shared_ptr<ModelRunner> lookup_runner(DType dtype, Bytes table);

}  // namespace tessera
