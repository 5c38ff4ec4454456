// SPDX-License-Identifier: Apache-2.0
// A folder of ONNX node tests, each one run by any runner, with nothing skipped in silence.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "tests/helpers/onnx_case.h"

namespace tessera::test {

struct NodeTestCount {
  int passed = 0;
  int refused = 0;  // by import, each with its reason in the report
  int excused = 0;
};

// Runs every case, prints the count, and writes the refused ones, by reason, to `report`. A case
// that imports and then fails is a test failure, unless `excused` has its name with the reason why;
// an excused case that passes is one too.
NodeTestCount run_node_tests(const std::filesystem::path& folder, const Runner& runner,
                             const Tolerance& tolerance, const std::filesystem::path& report,
                             const std::map<std::string, std::string>& excused = {});

}  // namespace tessera::test
