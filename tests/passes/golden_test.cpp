// SPDX-License-Identifier: Apache-2.0
// tests/passes/*.test: a graph before and after passes, or why they refuse it. The argument names
// the passes, in order, and options of theirs: "insert_packing max_valid_num=4".
//
// The text after begins with what the packing passes say of inputs and outputs, and lower_precision
// of what it keeps, if they do.
#include "tests/helpers/golden.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <sstream>

#include "ir/interpreter.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "passes/fp32_nodes.h"
#include "passes/pipeline.h"
#include "support/half.h"

namespace tessera {
namespace {

const Pass* find(std::string_view name) {
  for (const Pass& pass : all_passes())
    if (pass.name == name) return &pass;
  return nullptr;
}

Status set_option(PassOptions& options, const std::string& word) {
  const size_t equals = word.find('=');
  const std::string name = word.substr(0, equals);
  const int64_t value = equals == word.npos ? 0 : std::atoll(word.c_str() + equals + 1);
  if (name == "max_valid_num")
    options.max_valid_num = value;
  else if (name == "segment_max_size")
    options.segment_max_size = value;
  else if (name == "fp32")
    options.fp32_ops.insert(parse_op(word.substr(equals + 1)).value());
  else if (name == "fp32_node")
    options.fp32_nodes.insert(word.substr(equals + 1));
  else
    return Error{"golden: there is no pass or option " + word};
  return {};
}

std::string kept(const PassState& state) {
  std::string text;
  for (const KeptInFp32& one : state.kept)
    text += fmt::format("# {}: {} ({}): {}\n", name_of(one.rule), one.node, one.op, one.why);
  for (const std::string& warning : state.warnings) text += fmt::format("# warns: {}\n", warning);
  return text;
}

std::string contract(const PassState& state) {
  if (state.packing.rows == 0 && state.packing.position_input.empty()) return "";
  std::string text;
  const auto line = [&](const char* name, const std::string& value) {
    if (!value.empty()) text += fmt::format("# {}: {}\n", name, value);
  };
  line("ids", state.packing.ids_input);
  line("tokens", fmt::format("{}", fmt::join(state.packing.token_inputs, " ")));
  line("mask", state.packing.mask_input);
  line("positions", state.packing.position_input);
  line("unpack_info", state.packing.unpack_info_input);
  line("per request", fmt::format("{}", fmt::join(state.packing.per_request_outputs, " ")));
  return text;
}

Status run_named(const GoldenCase& golden, Graph& graph, PassState& state) {
  std::vector<const Pass*> passes;
  std::istringstream words(golden.argument);
  for (std::string word; words >> word;) {
    if (const Pass* pass = find(word))
      passes.push_back(pass);
    else
      TRY(set_option(state.options, word));
  }
  for (const Pass* pass : passes) {
    TRY(pass->run(graph, state));
    graph.remove_dead();
    TRY(verify(graph));
  }
  return {};
}

Expected<std::string> print_after(const GoldenCase& golden) {
  Graph graph = TRY(parse_graph(golden.before));
  PassState state;
  TRY(run_named(golden, graph, state));
  return contract(state) + kept(state) + print(graph);
}

bool has(const std::string& name, const char* part) { return name.find(part) != name.npos; }

// Masks and types are 0 or 1, with at least one key to see, and every token there where a graph
// counts them ("counted"); positions count; ids are never 1, the padding id of these graphs.
double drawn(const Node& input, int64_t i) {
  const int64_t length = input.type.shape.empty() ? 1 : input.type.shape.back();
  const int64_t at = i % length;
  if (has(input.name, "pos")) return static_cast<double>(at);
  if (input.type.dtype == DType::Bool) return at != 0 && i % 3 == 1;
  if (has(input.name, "counted_mask")) return 1;
  if (has(input.name, "mask")) return at == 0 || i % 3 == 1;
  if (has(input.name, "type")) return i % 2;
  if (input.type.dtype == DType::I32) return static_cast<double>(2 + i * 7 % 5);
  return std::sin(static_cast<double>(3 * i + 1));
}

std::vector<double> answers(const Graph& graph) {
  std::map<std::string, Array> inputs;
  for (const Node* input : graph.inputs) {
    Array& array = inputs[input->name];
    array.type = input->type;
    for (int64_t i = 0; i < elements(input->type.shape); ++i)
      array.data.push_back(drawn(*input, i));
    round_to_dtype(array);
  }
  const auto outputs = interpret(graph, inputs);
  EXPECT_TRUE(outputs.ok()) << outputs.error().message;
  std::vector<double> all;
  for (const Array& output : *outputs)
    all.insert(all.end(), output.data.begin(), output.data.end());
  return all;
}

class PassGolden : public ::testing::TestWithParam<GoldenCase> {};

TEST_P(PassGolden, is_as_written) {
  ASSERT_EQ(GetParam().kind, "passes");
  check_golden(GetParam(), print_after);
}

// Packed graphs want packed inputs: tests/compiler has those.
TEST_P(PassGolden, means_the_same_after) {
  const GoldenCase& golden = GetParam();
  if (golden.fails || has(golden.argument, "insert_")) return;
  Graph before = parse_graph(golden.before).take();
  Graph after = before.clone();
  PassState state;
  ASSERT_TRUE(run_named(golden, after, state).ok());
  const bool is_half = has(golden.before, "f16") || has(golden.argument, "lower_precision");
  const double near = has(golden.argument, "fp8") ? 0.07 : is_half ? 2e-3 : 2e-4;
  const std::vector<double> wanted = answers(before), got = answers(after);
  ASSERT_EQ(got.size(), wanted.size());
  for (size_t i = 0; i < got.size(); ++i) {
    if (std::abs(wanted[i]) > kMaxHalf) continue;  // what f16 does not hold
    EXPECT_NEAR(got[i], wanted[i], near * (1 + std::abs(wanted[i]))) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(, PassGolden, ::testing::ValuesIn(read_goldens("passes")), golden_name);

}  // namespace
}  // namespace tessera
