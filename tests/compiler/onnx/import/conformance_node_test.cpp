// SPDX-License-Identifier: Apache-2.0
// ONNX's own node tests: those of Debian's libonnx-testdata, mostly opset 13 to 17, and those of
// ONNX 1.6 and 1.7, which have the older forms. Each one is run that imports; the others are listed
// by reason in a file of the build folder. The number that pass only grows.
#include <gtest/gtest.h>

#include <cstdlib>

#include "ir/interpreter.h"
#include "ir/verify.h"
#include "tests/helpers/onnx_node_tests.h"
#include "tests/helpers/paths.h"

namespace tessera::test {
namespace {

namespace fs = std::filesystem;

const fs::path kReports = tessera::test::build_dir();

constexpr Tolerance kTolerance = {1e-5, 1e-5, 1e-5};

Expected<std::vector<Array>> on_reference(const Graph& graph,
                                          const std::map<std::string, Array>& inputs) {
  TRY(verify(graph));
  return interpret(graph, inputs);
}

TEST(NodeTests, of_debian_pass_where_they_import) {
  const fs::path folder = "/usr/share/libonnx-testdata/data/node";
  if (!fs::exists(folder)) GTEST_SKIP() << "no libonnx-testdata: ONNX's node tests are left out";
  const NodeTestCount count =
      run_node_tests(folder, on_reference, kTolerance, kReports / "node_tests_unsupported.txt");
  EXPECT_GE(count.passed, 605);
}

// Those that scripts/node_tests writes.
TEST(NodeTests, of_the_newest_release_pass_where_they_import) {
  const char* folder = std::getenv("TESSERA_NODE_TESTS");
  if (!folder) GTEST_SKIP() << "no TESSERA_NODE_TESTS: scripts/node_tests writes such a folder";
  // ONNX's own runner of these tests allows 1e-3 (onnx/backend/test/runner); functions of halves
  // that are expanded into operations round once more for each, which takes another unit of the
  // last place.
  constexpr Tolerance kOfTheRunner = {1e-5, 1e-3, 2e-3};
  const NodeTestCount count = run_node_tests(folder, on_reference, kOfTheRunner,
                                             kReports / "node_tests_newest_unsupported.txt");
  EXPECT_GE(count.passed, 1105);
}

TEST(NodeTests, of_older_opsets_pass_where_they_import) {
  const auto shared = shared_folder();
  if (!shared) GTEST_SKIP() << "no shared folder: the node tests of ONNX 1.6 and 1.7 are left out";
  const NodeTestCount count =
      run_node_tests(*shared / "models" / "onnx_node_op11_12", on_reference, kTolerance,
                     kReports / "node_tests_op11_12_unsupported.txt");
  EXPECT_GE(count.passed, 229);
}

}  // namespace
}  // namespace tessera::test
