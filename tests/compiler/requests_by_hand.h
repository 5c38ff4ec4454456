// SPDX-License-Identifier: Apache-2.0
// Requests, laid out by hand as docs/packing.md says, for the reference interpreter. Independent of
// the executor's packing on purpose: both are judged by the same page.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "ir/tensor.h"
#include "passes/pipeline.h"

namespace tessera::test {

struct TestRequest {
  std::vector<double> ids, types;
  int64_t length() const { return static_cast<int64_t>(ids.size()); }
};
// Ids of 2 .. 31, so that none is padding; types of 0 and 1. The same for the same lengths.
std::vector<TestRequest> draw_requests(const std::vector<int64_t>& lengths);

using Inputs = std::map<std::string, Array>;
// Requests first .. first + rows - 1, one a row, padded with zeros; rows beyond the last request
// repeat it. The name of an input tells what it carries, as these models name them.
Inputs padded_inputs(const Graph& graph, const std::vector<TestRequest>& requests, size_t first);

// Where each request starts in the flattened batch: end to end, or in the first row after the last
// request's that has room.
std::vector<int64_t> starts_end_to_end(const std::vector<TestRequest>& requests);
std::vector<int64_t> starts_in_rows(const std::vector<TestRequest>& requests, int64_t row_length);

Inputs packed_inputs(const Graph& graph, const PassState& state,
                     const std::vector<TestRequest>& requests, const std::vector<int64_t>& starts);

// `count` rows of the first axes flattened, from row `first`.
std::vector<double> rows_of(const Array& array, int64_t axes, int64_t first, int64_t count);

}  // namespace tessera::test
