// SPDX-License-Identifier: Apache-2.0
// ONNX models: imported and compiled for four tiles with every variable dimension fixed. A model
// that compiles is written, read again, and carried out in every way there is.
#include <filesystem>

#include "codelets/codelet.h"
#include "compiler/compile.h"
#include "compiler/onnx/import/import.h"
#include "compiler/onnx/import/op_table.h"
#include "onnx.pb.h"
#include "program/read_popef.h"
#include "program/write_popef.h"
#include "support/file.h"
#include "tests/fuzz/machines.h"
#include "tests/fuzz/target.h"
#include "tests/fuzz/wire.h"

namespace tessera::fuzz {
namespace {

// Options that depend on the bytes alone: most inputs have the plain ones.
CompileOptions options_for(std::string_view input) {
  CompileOptions options;
  options.target = target_preset("test").take();
  options.limits = small_limits();
  const uint64_t digest = digest_of(input);
  if (digest % 4 == 0) options.precision = Precision::Fp16;
  if (digest / 4 % 8 == 0) options.pack_args = PackArgs{3, 4};
  if (digest / 4 % 8 == 1) options.passes = {"insert_attention_mask"};
  return options;
}

std::map<std::string, Shape> fixed_shapes(const std::vector<DeclaredInput>& inputs) {
  std::map<std::string, Shape> shapes;
  for (const DeclaredInput& input : inputs) {
    Shape shape = input.shape;
    bool variable = false;
    for (size_t d = 0; d < shape.size(); ++d) {
      if (shape[d] >= 0) continue;
      shape[d] = d == 0 ? 2 : 4;
      variable = true;
    }
    if (variable) shapes[input.name] = shape;
  }
  return shapes;
}

void demand_survives_a_file(Executable& executable) {
  const std::string path = folder() + "/compiled.popef";
  demand(write_popef(executable, path, Sync::No).ok(), "an executable cannot be written");
  const auto read = read_popef(path, check_compute_set);
  demand(read.ok(), "a written executable cannot be read: " +
                        (read.ok() ? std::string() : read.error().message));
  demand(read->sha256 == executable.sha256, "written and read, it is another");
}

std::vector<std::string> vocabulary() {
  std::vector<std::string> words = {"axis",  "axes", "perm", "to",       "epsilon", "alpha",
                                    "value", "mode", "bias", "keepdims", "equation"};
  for (const OnnxOp& op : all_onnx_ops()) words.emplace_back(op.name);
  for (const char* const domain : {"com.microsoft", "ai.graphcore", "tessera"})
    words.emplace_back(domain);
  return words;
}

// A node of any known operation behind values that are there, in front of one of their users.
std::string insert_a_node(std::string_view input, Random& random) {
  ::onnx::ModelProto model;
  if (!model.ParseFromArray(input.data(), static_cast<int>(input.size())) ||
      model.graph().node_size() == 0)
    return std::string(input);
  auto& nodes = *model.mutable_graph()->mutable_node();
  std::vector<std::string> values;
  for (const auto& node : nodes)
    values.insert(values.end(), node.output().begin(), node.output().end());
  for (const auto& one : model.graph().input()) values.push_back(one.name());
  for (const auto& one : model.graph().initializer()) values.push_back(one.name());
  if (values.empty()) return std::string(input);

  const auto ops = all_onnx_ops();
  const OnnxOp& op = ops[random.below(ops.size())];
  const std::string made = "made_" + std::to_string(random.below(1000));
  const int user = static_cast<int>(random.below(static_cast<size_t>(nodes.size())));
  if (nodes[user].input_size() == 0) return std::string(input);
  const int operand = static_cast<int>(random.below(static_cast<size_t>(nodes[user].input_size())));
  ::onnx::NodeProto* const node = nodes.Add();
  node->set_op_type(std::string(op.name));
  node->set_domain(std::string(op.domain));
  node->set_name(made);
  node->add_input(nodes[user].input(operand));
  for (int i = 1; i < op.min_inputs || (i < op.max_inputs && random.one_in(3)); ++i)
    node->add_input(random.pick(values));
  node->add_output(made);
  nodes[user].set_input(operand, made);
  for (int at = nodes.size() - 1; at > user; --at) nodes.SwapElements(at, at - 1);
  return model.SerializeAsString();
}

}  // namespace

void run(std::string_view input) {
  const std::string path = file_of(input, ".onnx");
  const auto inputs = declared_model_inputs(path);
  if (!inputs) return demand(!inputs.error().message.empty(), "an error without words");
  CompileOptions options = options_for(input);
  options.input_shape = fixed_shapes(*inputs);
  auto compiled = compile(path, options);
  if (!compiled) {
    const std::string& message = compiled.error().message;
    demand(!message.empty(), "an error without words");
    // Names of the model stand in messages too.
    const bool says_so = input.find("internal error") != std::string_view::npos;
    demand(says_so || message.find("internal error") == std::string::npos, message);
    return;
  }
  note("compiled");
  demand_survives_a_file(compiled->executable);
  if (compiled->out_of_memory || !is_small(compiled->executable.program)) return;
  compare_machines(std::make_shared<Executable>(std::move(compiled->executable)), digest_of(input));
}

std::string mutate(std::string_view input, Random& random) {
  static const std::vector<std::string> words = vocabulary();
  if (random.one_in(6)) return insert_a_node(input, random);
  std::string changed(input);
  for (size_t changes = 1 + random.below(3); changes > 0; --changes)
    changed = mutate_wire(changed, onnx_model_schema(), words, random);
  return changed;
}

}  // namespace tessera::fuzz
