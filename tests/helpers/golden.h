// SPDX-License-Identifier: Apache-2.0
// Text goldens: a file tells one story, from a graph before to a graph after or to an error.
//
//   passes: cancel_transposes          the kind, and what the kind wants to know
//   A transpose and its inverse leave nothing behind.
//   --- before
//   graph @f(…) { … }
//   --- after                          or: --- error, and the exact words
//   graph @f(…) { … }
//
// With UPDATE_GOLDENS=1 in the environment a run writes what it got over what was expected, for
// people to read the difference. A suite of them is three lines:
//
//   class PassGolden : public ::testing::TestWithParam<GoldenCase> {};
//   TEST_P(PassGolden, is_as_written) { check_golden(GetParam(), run); }
//   INSTANTIATE_TEST_SUITE_P(, PassGolden, ::testing::ValuesIn(read_goldens("passes")),
//   golden_name);
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

#include "support/expected.h"

namespace tessera {

struct GoldenCase {
  std::string path;
  std::string kind;      // "passes"
  std::string argument;  // "cancel_transposes"
  std::string title;
  std::string before;
  bool fails = false;
  std::string expected;  // the text after, or the error's message
  std::string broken;    // why the file cannot be read as one; "" if it can
};
void PrintTo(const GoldenCase& golden, std::ostream* out);

// Every *.test file of tests/<folder>, by name.
std::vector<GoldenCase> read_goldens(const std::string& folder);
// Its file's name, without what a test's name may not hold.
std::string golden_name(const ::testing::TestParamInfo<GoldenCase>& info);
// Fails the test unless run gives what the file says; or, when updating, rewrites the file.
using GoldenRun = std::function<Expected<std::string>(const GoldenCase& golden)>;
void check_golden(const GoldenCase& golden, const GoldenRun& run);

// The same for a text of its own: fails the test unless `actual` is what tests/<file> holds.
void check_text_golden(const std::string& file, const std::string& actual);

}  // namespace tessera
