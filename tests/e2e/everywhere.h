// SPDX-License-Identifier: Apache-2.0
// A Graph of a test on the interpreter and on every machine, and the numbers that ONNX Runtime
// gave.
#pragma once

#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "ir/graph.h"
#include "support/expected.h"

namespace tessera::e2e {

inline constexpr double kInf = std::numeric_limits<double>::infinity();
inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

using Values = std::vector<double>;
using Results = Expected<std::vector<Array>>;

// `text` with every `word` replaced.
std::string with(std::string text, const std::string& word, const std::string& instead);
// In the order of the graph's inputs, rounded to their dtypes.
std::map<std::string, Array> inputs_of(const Graph& graph, const std::vector<Values>& values);

// On every machine, in the order of their names.
std::vector<std::pair<const char*, Results>> run_everywhere(
    const Graph& graph, const std::map<std::string, Array>& inputs);

// The first result has the same numbers, or NaN where it is wanted; a zero has the same sign.
void expect_values(const Results& results, const Values& wanted, double near);

}  // namespace tessera::e2e
