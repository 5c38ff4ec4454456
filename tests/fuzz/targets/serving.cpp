// SPDX-License-Identifier: Apache-2.0
// Packing metadata with serving: a contract from a stranger's file, and requests. One JSON object a
// line: the contract first (the fields of packing metadata, with a "form" of 0, 1 or 2, and which
// model), then a request each.
//
// The contract packs lengths by every rule, if it is taken at all, and serves an executable whose
// answers say what it was handed.
#include <nlohmann/json.hpp>

#include "codelets/codelet.h"
#include "packing/offline.h"
#include "packing/pack.h"
#include "packing/plan.h"
#include "program/text.h"
#include "program/verify.h"
#include "serving/pack_runner.h"
#include "tests/fuzz/json_mutator.h"
#include "tests/fuzz/machines.h"
#include "tests/fuzz/target.h"
#include "tests/helpers/echo.h"

namespace tessera::fuzz {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMostRequests = 64;

int64_t integer(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
}
std::string text(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

PackingContract contract_of(const Json& json) {
  PackingContract contract;
  contract.form = static_cast<PackingForm>(static_cast<uint64_t>(integer(json, "form")) % 3);
  contract.rows = integer(json, "rows");
  contract.row_length = integer(json, "row_length");
  contract.max_valid_num = integer(json, "max_valid_num");
  contract.segment_max_size = integer(json, "segment_max_size");
  contract.ids_input = text(json, "ids_input");
  contract.mask_input = text(json, "mask_input");
  contract.position_input = text(json, "position_input");
  contract.unpack_info_input = text(json, "unpack_info_input");
  if (json.contains("token_inputs"))
    for (const Json& name : json["token_inputs"])
      if (name.is_string()) contract.token_inputs.push_back(name);
  if (json.contains("outputs"))
    for (const Json& rule : json["outputs"])
      if (rule.is_object())
        contract.outputs.push_back({text(rule, "name"), integer(rule, "per_request") != 0});
  return contract;
}

Request request_of(const Json& json) {
  Request request;
  if (!json.is_object()) return request;
  for (const auto& [name, values] : json.items()) {
    std::vector<int32_t>& tokens = request.tokens[name];
    if (!values.is_array()) continue;
    for (const Json& value : values)
      tokens.push_back(value.is_number_integer() ? static_cast<int32_t>(value.get<int64_t>()) : 0);
  }
  return request;
}

struct Input {
  Json contract = Json::object();
  std::vector<Request> requests;
};

Input parse(std::string_view input) {
  Input parsed;
  for (size_t begin = 0, number = 0; begin < input.size() && number < kMostRequests; ++number) {
    const size_t end = std::min(input.find('\n', begin), input.size());
    Json json = Json::parse(input.substr(begin, end - begin), nullptr, false);
    begin = end + 1;
    if (number == 0 && json.is_object())
      parsed.contract = std::move(json);
    else if (number > 0)
      parsed.requests.push_back(request_of(json));
  }
  return parsed;
}

// Sound batches of these lengths, as a plan proves them.
void pack(const PackingContract& contract, const std::vector<Request>& requests) {
  // A packer's memory is its contract's; a runner has tensors of that size already.
  if (!check_contract(contract) || contract.rows > 4096 || contract.row_length > 4096) return;
  note("contracts packed");
  PackPlan plan;
  plan.contract = contract;
  std::vector<int64_t> lengths;
  for (const Request& request : requests)
    for (const auto& [name, tokens] : request.tokens)
      if (!tokens.empty() && std::ssize(tokens) <= longest_request(contract))
        lengths.push_back(std::ssize(tokens));
  plan.requests = std::ssize(lengths);
  for (const PackPolicy policy : all_policies()) {
    auto batches = pack_offline(contract, policy, lengths);
    demand(batches.ok(), "requests that fit cannot be packed");
    plan.rule = policy;
    plan.batches = batches.take();
    const Status sound = check_plan(plan);
    demand(sound.ok(), "packed unsoundly: " + (sound.ok() ? "" : sound.error().message));
    for (const PackedBatch& batch : plan.batches) {
      packed_positions(contract, batch);
      packed_mask(contract, batch);
      if (contract.form == PackingForm::A) packed_unpack_info(contract, batch);
    }
  }
}

std::shared_ptr<const Executable> executable_of(const Json& json, const PackingContract& contract) {
  auto executable = std::make_shared<Executable>();
  executable->program =
      parse_program(integer(json, "unpacked") != 0 ? kEchoUnpacked : kEcho).take();
  for (const Variable& variable : executable->program.variables) {
    const bool input = variable.kind == VariableKind::Input;
    if (!input && variable.kind != VariableKind::Output) continue;
    executable->metadata.anchors.push_back(
        {variable.name, input ? AnchorKind::Input : AnchorKind::Output, variable.dtype,
         variable.shape, "int32", variable.name == "input_ids" ? integer(json, "index_limit") : 0});
  }
  executable->metadata.packing = contract;
  return executable;
}

void serve(const std::shared_ptr<ModelRunner>& model, const Json& json,
           const std::vector<Request>& requests) {
  PackRunnerConfig config;
  config.former.timeout = std::chrono::microseconds(100);
  config.former.max_valid_num = integer(json, "most_requests");
  RequestOptions options;
  options.strip_padding = integer(json, "strip_padding") != 0;
  options.zero_delimiters = integer(json, "zero_delimiters");
  auto runner = PackRunner::create(model, config, options);
  if (!runner) return demand(!runner.error().message.empty(), "an error without words");
  note("served");
  std::vector<PackRunner::Submission> taken;
  for (const Request& request : requests) {
    auto submission = (*runner)->submit(request);
    if (submission.ok()) taken.push_back(submission.take());
  }
  (*runner)->drain();
  for (PackRunner::Submission& submission : taken) {
    const auto answer = submission.answer.get();
    demand(answer.ok() || !answer.error().message.empty(), "an error without words");
  }
}

}  // namespace

void run(std::string_view input) {
  const Input parsed = parse(input);
  const PackingContract contract = contract_of(parsed.contract);
  pack(contract, parsed.requests);
  MachineOptions options;
  options.threads = 1;
  options.jit = shared_jit();
  auto runner = ModelRunner::create(executable_of(parsed.contract, contract), options);
  if (!runner) return demand(!runner.error().message.empty(), "an error without words");
  serve(runner.take(), parsed.contract, parsed.requests);
}

std::string mutate(std::string_view input, Random& random) {
  return mutate_json_lines(input, random);
}

}  // namespace tessera::fuzz
