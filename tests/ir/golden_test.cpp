// SPDX-License-Identifier: Apache-2.0
// tests/ir/*.test: a text, and how the graph that it parses to prints; or why it does not parse.
#include "tests/helpers/golden.h"

#include "ir/text.h"

namespace tessera {
namespace {

Expected<std::string> print_again(const GoldenCase& golden) {
  PrintOptions options;
  options.max_values = 8;
  const Graph graph = TRY(parse_graph(golden.before));
  return print(graph, options);
}

class ParseGolden : public ::testing::TestWithParam<GoldenCase> {};

TEST_P(ParseGolden, is_as_written) {
  ASSERT_EQ(GetParam().kind, "parse");
  check_golden(GetParam(), print_again);
}
INSTANTIATE_TEST_SUITE_P(, ParseGolden, ::testing::ValuesIn(read_goldens("ir")), golden_name);

}  // namespace
}  // namespace tessera
