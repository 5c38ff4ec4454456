// SPDX-License-Identifier: Apache-2.0
// Runs a graph that a test writes as text on the reference interpreter.
#pragma once

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "ir/graph.h"

namespace tessera {

using Values = std::vector<double>;

// Parses, or fails the test and gives an empty graph.
Graph parsed(const std::string& text);
// Inputs by the graph's order, their values row-major. Results by the graph's order.
std::vector<Array> run_all(const std::string& text, const std::vector<Values>& inputs);
// The values of the first result.
Values run(const std::string& text, const std::vector<Values>& inputs);
// The message of the error that running it gives.
std::string run_error(const std::string& text, const std::vector<Values>& inputs);
// The message of the error that parsing it gives.
std::string parse_error(const std::string& text);

// Every element within `tolerance`.
::testing::Matcher<Values> near(const Values& wanted, double tolerance = 1e-6);

}  // namespace tessera
