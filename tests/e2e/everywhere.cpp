// SPDX-License-Identifier: Apache-2.0
#include "tests/e2e/everywhere.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "program/target.h"
#include "tests/helpers/numbers.h"
#include "tests/helpers/on_machine.h"

namespace tessera::e2e {

std::string with(std::string text, const std::string& word, const std::string& instead) {
  for (size_t at; (at = text.find(word)) != text.npos;) text.replace(at, word.size(), instead);
  return text;
}

std::map<std::string, Array> inputs_of(const Graph& graph, const std::vector<Values>& values) {
  std::map<std::string, Array> inputs;
  for (size_t i = 0; i < values.size(); ++i) {
    Array& array = inputs[graph.inputs[i]->name] = {graph.inputs[i]->type, values[i]};
    round_to_dtype(array);
  }
  return inputs;
}

std::vector<std::pair<const char*, Results>> run_everywhere(
    const Graph& graph, const std::map<std::string, Array>& inputs) {
  const Target target = *target_preset("test");
  std::vector<std::pair<const char*, Results>> all;
  all.emplace_back("direct", run_on_machine(graph, inputs, target, {.threads = 1}));
  all.emplace_back("threads",
                   run_on_machine(graph, inputs, target, {.threads = 2, .small_pieces = true}));
  all.emplace_back("isolated", run_on_machine(graph, inputs, target,
                                              {.kind = MachineKind::Isolated, .threads = 1}));
  return all;
}

void expect_values(const Results& results, const Values& wanted, double near) {
  ASSERT_TRUE(results.ok()) << results.error().message;
  const Values& got = results->at(0).data;
  ASSERT_EQ(got.size(), wanted.size());
  for (size_t i = 0; i < got.size(); ++i) {
    SCOPED_TRACE(i);
    test::expect_number(got[i], wanted[i], near * std::max(1.0, std::abs(wanted[i])));
    if (wanted[i] == 0) {
      EXPECT_EQ(std::signbit(got[i]), std::signbit(wanted[i]));
    }
  }
}

}  // namespace tessera::e2e
