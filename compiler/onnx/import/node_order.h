// SPDX-License-Identifier: Apache-2.0
// The nodes of an ONNX graph that its outputs need, each after those it reads. ONNX asks files to
// be sorted already; real ones are not always.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "onnx.pb.h"
#include "support/expected.h"

namespace tessera {

// Keeps the file's order wherever it can. `known` says whether a name is there from outside the
// graph's nodes: an input, an initializer, a value of an enclosing graph. Errors: a name produced
// twice or by nobody, a cycle.
Expected<std::vector<const ::onnx::NodeProto*>> order_nodes(
    const ::onnx::GraphProto& graph, const std::string& path,
    const std::function<bool(const std::string&)>& known);

}  // namespace tessera
