// SPDX-License-Identifier: Apache-2.0
// Small gRPC calls for the corpus.
#pragma once

#include "tests/fuzz/onnx_seeds.h"

namespace tessera::fuzz {

Seeds infer_message_seeds();

}  // namespace tessera::fuzz
