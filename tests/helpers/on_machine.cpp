// SPDX-License-Identifier: Apache-2.0
#include "tests/helpers/on_machine.h"

#include "codelets/codelet.h"
#include "executor/jit.h"
#include "program/verify.h"

namespace tessera::e2e {

namespace {

// This program's machines share it: hundreds of small graphs use the same few codelets.
Expected<std::shared_ptr<Jit>> shared_jit() {
  static const Expected<std::shared_ptr<Jit>> jit = []() -> Expected<std::shared_ptr<Jit>> {
    return std::shared_ptr<Jit>(TRY(Jit::create()));
  }();
  return jit;
}

}  // namespace

Expected<std::vector<Array>> run_on_machine(const Graph& graph,
                                            const std::map<std::string, Array>& inputs,
                                            const Target& target, const MachineOptions& options,
                                            double available_memory_proportion,
                                            TensorSplit tensor) {
  LowerOptions lowering{.target = target};
  lowering.tensor = tensor;
  lowering.available_memory_proportion = available_memory_proportion;
  Lowered lowered = TRY(lower(graph, lowering));
  TRY(verify_program(lowered.program, check_compute_set));
  auto executable = std::make_shared<Executable>();
  executable->program = std::move(lowered.program);
  executable->constants = std::move(lowered.constants);
  MachineOptions machine_options = options;
  machine_options.jit = TRY(shared_jit());
  const std::unique_ptr<Machine> machine = TRY(Machine::load(executable, machine_options));

  std::vector<Tensor> tensors;
  for (const Node* input : graph.inputs) tensors.push_back(to_tensor(inputs.at(input->name)));
  std::vector<std::span<const std::byte>> in;
  for (const Tensor& tensor : tensors) in.push_back(tensor.bytes());
  std::vector<std::vector<std::byte>> buffers;
  for (const Output& output : graph.outputs)
    buffers.emplace_back(static_cast<size_t>(output.node->type.bytes()));
  const std::vector<std::span<std::byte>> out(buffers.begin(), buffers.end());
  TRY(machine->run(in, out));

  std::vector<Array> results;
  for (size_t i = 0; i < buffers.size(); ++i)
    results.push_back(to_array(Tensor::copy(graph.outputs[i].node->type, buffers[i])));
  return results;
}

}  // namespace tessera::e2e
