// SPDX-License-Identifier: Apache-2.0
// tests/passes/*.test: a graph before and after passes, or why they refuse it. The argument names
// the passes, in order, and options of theirs: "insert_packing max_valid_num=4".
//
// The text after begins with what the packing passes say of inputs and outputs, if they do.
#include "tests/golden.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <sstream>

#include "ir/text.h"
#include "ir/verify.h"
#include "passes/pipeline.h"

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
  else
    return Error{"golden: there is no pass or option " + word};
  return {};
}

std::string contract(const PassState& state) {
  if (state.rows == 0 && state.position_input.empty()) return "";
  std::string text;
  const auto line = [&](const char* name, const std::string& value) {
    if (!value.empty()) text += fmt::format("# {}: {}\n", name, value);
  };
  line("ids", state.ids_input);
  line("tokens", fmt::format("{}", fmt::join(state.token_inputs, " ")));
  line("mask", state.mask_input);
  line("positions", state.position_input);
  line("unpack_info", state.unpack_info_input);
  line("per request", fmt::format("{}", fmt::join(state.per_request_outputs, " ")));
  return text;
}

Expected<std::string> run_named(const GoldenCase& golden) {
  Graph graph = TRY(parse_graph(golden.before));
  PassState state;
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
  return contract(state) + print(graph);
}

class PassGolden : public ::testing::TestWithParam<GoldenCase> {};

TEST_P(PassGolden, is_as_written) {
  ASSERT_EQ(GetParam().kind, "passes");
  check_golden(GetParam(), run_named);
}
INSTANTIATE_TEST_SUITE_P(, PassGolden, ::testing::ValuesIn(read_goldens("passes")), golden_name);

}  // namespace
}  // namespace tessera
