// SPDX-License-Identifier: Apache-2.0
// docs/onnx.md lists every operation that import takes, and no other.
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "compiler/onnx/import/op_table.h"
#include "tests/helpers/paths.h"

namespace tessera {
namespace {

using Ops = std::set<std::pair<std::string, std::string>>;  // domain and name

// The first cells of the table below "## Operations": "com.microsoft: Gelu BiasGelu".
Ops documented() {
  std::ifstream page(tessera::test::source_dir() + "/docs/onnx.md");
  Ops ops;
  bool here = false;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("## ")) here = line == "## Operations";
    if (!here || !line.starts_with("| ") || line.starts_with("| ONNX ")) continue;
    std::istringstream cell(line.substr(2, line.find(" |") - 2));
    std::string domain;
    for (std::string word; cell >> word;) {
      if (word.ends_with(":")) {
        domain = word.substr(0, word.size() - 1);
      } else {
        ops.emplace(domain, word);
      }
    }
  }
  return ops;
}

TEST(OnnxDocs, list_what_import_takes) {
  Ops taken;
  for (const OnnxOp& op : all_onnx_ops()) taken.emplace(op.domain, op.name);
  EXPECT_EQ(documented(), taken);
}

}  // namespace
}  // namespace tessera
