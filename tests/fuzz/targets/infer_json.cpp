// SPDX-License-Identifier: Apache-2.0
// Bodies of REST calls: JSON, and behind the first zero byte, which JSON never has, binary tensors.
// A call that is read keeps its limits, and its tensors come back unchanged in an answer.
#include "server/infer_json.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "tests/fuzz/infer_calls.h"
#include "tests/fuzz/json_mutator.h"
#include "tests/fuzz/target.h"

namespace tessera::fuzz {
namespace {

using server::InferResult;
using server::JsonLimits;
using server::RestCall;
using server::WireOutput;
using server::WireType;
using Json = nlohmann::json;

constexpr JsonLimits kLimits{.elements = 4096, .tensors = 64};

struct Body {
  std::string bytes;
  size_t json = 0;
  Expected<RestCall> read(const JsonLimits& limits) const {
    return read_infer_json(bytes, json, limits);
  }
};

Body body_of(std::string_view input) {
  const size_t json = std::min(input.find('\0'), input.size());
  Body body{std::string(input.substr(0, json)), json};
  if (json < input.size()) body.bytes += input.substr(json + 1);
  return body;
}

// "… at byte N" points into the JSON, or at its end.
void check_place(const Error& error, size_t json_bytes) {
  constexpr std::string_view kAt = "not JSON, at byte ";
  const size_t found = error.message.find(kAt);
  if (found == std::string::npos) return;
  size_t place = 0;
  const char* const end = error.message.data() + error.message.size();
  const auto [rest, wrong] = std::from_chars(error.message.data() + found + kAt.size(), end, place);
  demand(wrong == std::errc() && rest == end && place <= json_bytes + 1,
         "an error at a place outside the JSON");
}

// The limit is exact: the call is read with its own number of elements and refused with one less.
// Numbers that an output has for nothing count too, so such calls are left out.
void check_limit(const Body& body, const RestCall& rest) {
  if (!rest.call.outputs.empty()) return;
  JsonLimits limits = kLimits;
  limits.elements = 0;
  for (const server::WireInput& input : rest.call.inputs) {
    const auto is_input = [&](const auto& buffer) { return buffer.data() == input.bytes.data(); };
    if (std::ranges::any_of(rest.buffers, is_input))
      limits.elements += std::ssize(input.bytes) / size_of(input.type);
  }
  demand(limits.elements <= kLimits.elements, "more numbers than a call may have");
  demand(body.read(limits).ok(), "refused at a limit that it keeps");
  if (--limits.elements < 0) return;
  const auto refused = body.read(limits);
  demand(!refused && refused.error().type == server::refusal::kTooLarge,
         "read past the limit on numbers");
}

// Whether JSON spells the tensor's values exactly. A truth is one bit, half of UINT64 is past what
// is read as a whole number, and floats may be infinite.
bool is_exact(const WireOutput& output) {
  return output.type != WireType::Bool && output.type < WireType::Fp16 &&
         output.type != WireType::Uint64;
}

// An answer's tensors are spelled as a request's are: read as one, they must be the same.
void check_answer(const InferResult& result, bool binary) {
  RestCall asked;
  asked.all_binary = binary;
  const server::RestAnswer answer = write_infer_json(result, asked);
  demand(answer.json_bytes <= answer.body.size(), "an answer whose JSON is longer than itself");
  Json json = Json::parse(answer.body.substr(0, answer.json_bytes), nullptr, false);
  demand(!json.is_discarded(), "an answer that is not JSON");
  Body body;
  body.bytes =
      Json{
          {"inputs", json["outputs"]}
  }
          .dump();
  body.json = body.bytes.size();
  body.bytes += answer.body.substr(answer.json_bytes);
  const auto again = body.read(kLimits);
  demand(again.ok(), "an answer's tensors cannot be read");
  demand(again->call.inputs.size() == result.outputs.size(), "an answer lost tensors");
  for (size_t i = 0; i < result.outputs.size(); ++i) {
    const WireOutput& output = result.outputs[i];
    const server::WireInput& input = again->call.inputs[i];
    demand(input.type == output.type && input.shape == output.shape &&
               std::ranges::equal(input.bytes, output.bytes),
           "a tensor came back as another");
  }
}

}  // namespace

void run(std::string_view input) {
  const Body body = body_of(input);
  const auto rest = body.read(kLimits);
  if (!rest) {
    check_refusal(rest.error());
    return check_place(rest.error(), body.json);
  }
  note("read");
  check_call(rest->call);
  demand(rest->binary.size() == rest->call.outputs.size(), "an output without its form");
  const auto twice = body.read(kLimits);
  demand(twice.ok() && same_call(rest->call, twice->call), "read twice, it is another");
  check_limit(body, *rest);
  InferResult result = echo(rest->call);
  check_answer(result, true);
  std::erase_if(result.outputs, [](const WireOutput& output) { return !is_exact(output); });
  check_answer(result, false);
}

std::string mutate(std::string_view input, Random& random) {
  const size_t json = std::min(input.find('\0'), input.size());
  if (json == input.size() || !random.one_in(4))
    return mutate_json(input.substr(0, json), random).append(input.substr(json));
  return std::string(input.substr(0, json)) + '\0' + mutate_bytes(input.substr(json + 1), random);
}

}  // namespace tessera::fuzz
