// SPDX-License-Identifier: Apache-2.0
// ONNX's node tests on the machine: what the interpreter passes, four tiles pass too.
#include <gtest/gtest.h>

#include "tests/helpers/on_machine.h"
#include "tests/helpers/onnx_node_tests.h"
#include "tests/helpers/paths.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

const fs::path kReports = tessera::test::build_dir();
constexpr test::Tolerance kTolerance = {1e-5, 1e-5, 1e-5};

constexpr char kEmpty[] = "a variable has at least one element: an empty one lies on no tile";
constexpr char kNegative[] =
    "an index that is an input must be in the table, and runners refuse others";
constexpr char kUnbounded[] =
    "an input of bytes is not known to be small, so what is shifted might leave 32 bits";
const std::map<std::string, std::string> kExcused = {
    {"test_bitshift_left_uint8",            kUnbounded},
    {"test_constantofshape_int_shape_zero", kEmpty    },
    {"test_gather_negative_indices",        kNegative },
    {"test_reshape_allowzero_reordered",    kEmpty    },
    {"test_slice_start_out_of_bounds",      kEmpty    },
    {"test_split_zero_size_splits",         kEmpty    },
    {"test_tril_zero",                      kEmpty    },
    {"test_triu_zero",                      kEmpty    },
};

Expected<std::vector<Array>> on_tiles(const Graph& graph,
                                      const std::map<std::string, Array>& inputs) {
  MachineOptions options;
  options.threads = 1;
  return e2e::run_on_machine(graph, inputs, *target_preset("test"), options);
}

TEST(NodeTestsOnTheMachine, of_debian_pass_where_they_import) {
  const fs::path folder = "/usr/share/libonnx-testdata/data/node";
  if (!fs::exists(folder)) GTEST_SKIP() << "no libonnx-testdata: ONNX's node tests are left out";
  const test::NodeTestCount count = test::run_node_tests(
      folder, on_tiles, kTolerance, kReports / "node_tests_on_machine.txt", kExcused);
  EXPECT_GE(count.passed, 568);
}

TEST(NodeTestsOnTheMachine, of_older_opsets_pass_where_they_import) {
  const auto shared = test::shared_folder();
  if (!shared) GTEST_SKIP() << "no shared folder: the node tests of ONNX 1.6 and 1.7 are left out";
  const test::NodeTestCount count =
      test::run_node_tests(*shared / "models" / "onnx_node_op11_12", on_tiles, kTolerance,
                           kReports / "node_tests_op11_12_on_machine.txt", kExcused);
  EXPECT_GE(count.passed, 225);
}

}  // namespace
}  // namespace tessera
