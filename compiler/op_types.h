// SPDX-License-Identifier: Apache-2.0
// How a user names a type of operation.
#pragma once

#include <optional>
#include <string>

#include "ir/graph.h"

namespace tessera {

// The op that operations of a type become: by their name in ONNX ("LayerNormalization", or PopRT's
// "GroupNormalization") or in the Graph ("Gelu", "Softmax").
std::optional<Op> op_of_type(const std::string& type);

}  // namespace tessera
