// SPDX-License-Identifier: Apache-2.0
// A batch that replicas share: the Program is that of one share, and what a caller sees is the
// whole.
#pragma once

#include "compiler/convert.h"
#include "compiler/options.h"
#include "program/popef.h"
#include "support/expected.h"

namespace tessera {

// The options with every input's rows divided by the number of replicas. Usage errors: no shape is
// given, or the rows do not divide.
Expected<CompileOptions> options_of_share(const CompileOptions& options);
// Whether the rows of the share's inputs and outputs are independent of each other, so that
// replicas may each have some. Usage errors say why not.
Status check_shares(const Converted& share, int64_t replicas);
// From the metadata of a share to that of the batch.
void join_shares(Metadata& metadata, int64_t replicas);

}  // namespace tessera
