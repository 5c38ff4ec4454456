// SPDX-License-Identifier: Apache-2.0
#include "tests/helpers/onnx_node_tests.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iostream>

namespace tessera::test {
namespace {

// "(Resize): is not supported …", without the path and the name of the one node.
std::string reason_of(const std::string& message) {
  const size_t op = message.find("' (");
  const size_t file = message.find(": ");
  if (op != std::string::npos) return message.substr(op + 2);
  return file == std::string::npos ? message : message.substr(file + 2);
}

void write_report(const std::filesystem::path& path,
                  const std::map<std::string, std::vector<std::string>>& by_reason) {
  std::ofstream out(path);
  for (const auto& [reason, names] : by_reason) {
    out << names.size() << "  " << reason << "\n";
    for (const std::string& name : names) out << "      " << name << "\n";
  }
}

}  // namespace

NodeTestCount run_node_tests(const std::filesystem::path& folder, const Runner& runner,
                             const Tolerance& tolerance, const std::filesystem::path& report,
                             const std::map<std::string, std::string>& excused) {
  NodeTestCount count;
  std::map<std::string, std::vector<std::string>> by_reason;
  for (const std::filesystem::path& path : cases_in(folder)) {
    const std::string name = path.filename();
    const Verdict verdict = run_case(path, runner, tolerance);
    const bool passed = verdict.kind == Verdict::Passed;
    if (verdict.kind == Verdict::Refused) {
      ++count.refused;
      by_reason[reason_of(verdict.reason)].push_back(name);
    } else if (excused.contains(name)) {
      ++count.excused;
      EXPECT_FALSE(passed) << name << " passes: it needs no excuse";
    } else {
      count.passed += passed;
      EXPECT_TRUE(passed) << name << ": " << verdict.reason;
    }
  }
  write_report(report, by_reason);
  std::cout << folder.string() << ": " << count.passed << " pass, " << count.refused
            << " are refused by import (" << report.string() << ")\n";
  return count;
}

}  // namespace tessera::test
