// SPDX-License-Identifier: Apache-2.0
#include "bench/modelled.h"

#include <fmt/format.h>

#include <chrono>

#include "compiler/compile.h"
#include "packing/offline.h"

namespace tessera::figures {
namespace {

Expected<double> packed_per_batch(PackingContract contract, const Requests& requests) {
  if (contract.form == PackingForm::B) contract.max_valid_num = requests.most_in_batch;
  WorkloadOptions asked = requests.lengths;
  if (asked.longest == 0) asked.longest = longest_request(contract);
  const Workload workload = TRY(synthetic_workload(asked));
  std::vector<int64_t> lengths;
  for (const SyntheticRequest& request : workload)
    lengths.push_back(static_cast<int64_t>(request.ids.size()));
  const std::vector<PackedBatch> batches = TRY(pack_offline(contract, requests.rule, lengths));
  return static_cast<double>(lengths.size()) / static_cast<double>(batches.size());
}

// Without packing a row of the first input is a request.
Expected<double> requests_per_batch(const Executable& executable, const Requests& requests) {
  const PackingContract& contract = executable.metadata.packing;
  if (requests.per_row > 0) return requests.per_row * static_cast<double>(contract.rows);
  if (contract.form != PackingForm::None) return packed_per_batch(contract, requests);
  const Program& program = executable.program;
  if (program.inputs.empty()) return 1.0;
  const Shape& shape = program.variables[static_cast<size_t>(program.inputs.front())].shape;
  return shape.empty() ? 1.0 : static_cast<double>(shape.front());
}

}  // namespace

Expected<Modelled> model_throughput(const std::string& model_path, const CompileOptions& options,
                                    const Requests& requests) {
  const auto start = std::chrono::steady_clock::now();
  const CompileResult result = TRY(compile(model_path, options));
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  const Executable& executable = result.executable;
  Modelled modelled;
  modelled.cost = program_cost(executable.program);
  modelled.requests_per_batch = TRY(requests_per_batch(executable, requests));
  modelled.peak_bytes = executable.metadata.memory.peak_bytes;
  modelled.bytes_per_tile = executable.program.target.bytes_per_tile;
  modelled.fits = executable.metadata.memory.fits;
  modelled.compile_seconds = spent.count();
  return modelled;
}

Expected<std::string> ModelFolder::path_of(const MakeModelOptions& o) {
  const char* gelu = o.gelu == GeluForm::Tanh ? "tanh" : "erf";
  const std::string name = fmt::format("{}-{}-{}x{}h{}f{}v{}p{}", static_cast<int>(o.family), gelu,
                                       o.layers, o.hidden, o.heads, o.ffn, o.vocab, o.max_position);
  const auto [at, is_new] = paths_.try_emplace(name, folder_.path() + "/" + name + ".onnx");
  if (!is_new) return at->second;
  if (folder_.path().empty()) return Error{"no folder for its models can be made"};
  TRY(make_model(o, at->second));
  return at->second;
}

}  // namespace tessera::figures
