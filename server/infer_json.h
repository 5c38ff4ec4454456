// SPDX-License-Identifier: Apache-2.0
// The bodies of REST inference: JSON of the Open Inference Protocol, with Triton's extension for
// binary tensors behind it. Read without a tree in memory, within bounds on nesting and elements.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "server/call.h"
#include "support/expected.h"

namespace tessera::server {

struct JsonLimits {
  int64_t elements = int64_t{4} << 20;  // of all tensors that are spelled in JSON
  int64_t tensors = 64;                 // inputs, and outputs that are asked for
};

struct RestCall {
  InferCall call;                              // model and version are not in the body
  std::vector<bool> binary;                    // of call.outputs: as bytes behind the JSON
  bool all_binary = false;                     // those that were not asked for by name
  std::deque<std::vector<std::byte>> buffers;  // of tensors from JSON
};

// `body` must outlive the call. `json_bytes`: of its head that is JSON.
Expected<RestCall> read_infer_json(std::string_view body, size_t json_bytes,
                                   const JsonLimits& limits);

struct RestAnswer {
  std::string body;
  size_t json_bytes = 0;  // below the body's size where tensors stand behind it
};
RestAnswer write_infer_json(const InferResult& result, const RestCall& call);

// The explanation of its rows for a call that asked for it: a JSON text, as parameters are scalars.
std::string explained(const InferResult& result);

}  // namespace tessera::server
