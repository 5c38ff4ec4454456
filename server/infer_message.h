// SPDX-License-Identifier: Apache-2.0
// gRPC's messages of a call and its answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "inference.pb.h"
#include "server/call.h"
#include "support/expected.h"

namespace tessera::server {

// Bounds the message of a call before protobuf makes anything of it: two bytes would become an
// object of a hundred. Errors of type malformed and too_large.
Status check_infer_message(std::span<const std::byte> bytes);

// `message` must outlive the call. Tensors from typed contents are in `buffers`.
Expected<InferCall> read_infer_message(const inference::ModelInferRequest& message,
                                       std::deque<std::vector<std::byte>>& buffers);
void write_infer_message(const InferResult& result, const InferCall& call,
                         inference::ModelInferResponse& message);

}  // namespace tessera::server
