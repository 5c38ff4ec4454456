// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/infer_calls.h"

#include <algorithm>

#include "tests/fuzz/target.h"

namespace tessera::fuzz {
namespace {

using server::WireInput;

constexpr size_t kMostTensors = 64;
constexpr size_t kMostOfAnError = 2048;

bool same_input(const WireInput& a, const WireInput& b) {
  return a.name == b.name && a.type == b.type && a.shape == b.shape &&
         std::ranges::equal(a.bytes, b.bytes);
}

}  // namespace

void check_refusal(const Error& error) {
  demand(error.message.starts_with("request: "), "a refusal that is not of the request");
  demand(error.message.size() <= kMostOfAnError, "a refusal that repeats the request");
  const int status = server::protocol_status(error).http;
  demand((status >= 400 && status < 500) || status == 501, "a refusal that blames the server");
}

void check_call(const server::InferCall& call) {
  demand(call.inputs.size() <= kMostTensors, "more inputs than a call may have");
  demand(call.outputs.size() <= kMostTensors, "more outputs than a call may have");
  demand(call.timeout.count() >= 0, "a time before now");
  for (const WireInput& input : call.inputs) {
    const int64_t size = server::size_of(input.type);
    if (const Status status = server::check_input(input); !status) {
      check_refusal(status.error());
      continue;
    }
    note("tensors");
    demand(std::ssize(input.bytes) == elements(input.shape) * size,
           "a sound tensor has bytes of another number than its shape says");
    const auto numbers = server::whole_numbers(input, 0, elements(input.shape));
    if (!numbers) check_refusal(numbers.error());
  }
}

bool same_call(const server::InferCall& a, const server::InferCall& b) {
  return a.model == b.model && a.version == b.version && a.id == b.id && a.outputs == b.outputs &&
         a.priority == b.priority && a.explain == b.explain && a.timeout == b.timeout &&
         std::ranges::equal(a.inputs, b.inputs, same_input);
}

server::InferResult echo(const server::InferCall& call) {
  server::InferResult result;
  result.model = call.model;
  result.version = call.version;
  for (const WireInput& input : call.inputs) {
    if (!server::check_input(input) || input.type == server::WireType::Bytes) continue;
    result.outputs.push_back({
        input.name, input.type, input.shape, {input.bytes.begin(), input.bytes.end()}
    });
  }
  return result;
}

}  // namespace tessera::fuzz
