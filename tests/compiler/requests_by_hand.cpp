// SPDX-License-Identifier: Apache-2.0
#include "tests/compiler/requests_by_hand.h"

#include <random>

namespace tessera::test {
namespace {

bool has(const std::string& name, const char* part) { return name.find(part) != name.npos; }

// An input's number for token `at` of a request.
double token(const std::string& name, const TestRequest& request, int64_t at) {
  if (has(name, "mask")) return 1;
  if (has(name, "position")) return static_cast<double>(at);
  return has(name, "type") || has(name, "segment") ? request.types[at] : request.ids[at];
}

}  // namespace

std::vector<TestRequest> draw_requests(const std::vector<int64_t>& lengths) {
  std::mt19937 random(20231122);
  std::vector<TestRequest> requests;
  for (int64_t length : lengths) {
    TestRequest& request = requests.emplace_back();
    for (int64_t i = 0; i < length; ++i) {
      request.ids.push_back(2 + random() % 30);
      request.types.push_back(random() % 2);
    }
  }
  return requests;
}

Inputs padded_inputs(const Graph& graph, const std::vector<TestRequest>& requests, size_t first) {
  Inputs inputs;
  for (const Node* input : graph.inputs) {
    const Shape& shape = input->type.shape;
    Array array{input->type, std::vector<double>(elements(shape), 0)};
    const bool square = shape.size() == 3;  // a mask of its own for each query
    for (int64_t row = 0; row < shape[0]; ++row) {
      const TestRequest& request = requests[std::min(first + row, requests.size() - 1)];
      const int64_t queries = square ? shape[1] : 1, length = shape.back();
      for (int64_t query = 0; query < queries; ++query)
        for (int64_t at = 0; at < request.length(); ++at)
          array.data[(row * queries + query) * length + at] = token(input->name, request, at);
    }
    inputs[input->name] = std::move(array);
  }
  return inputs;
}

std::vector<int64_t> starts_end_to_end(const std::vector<TestRequest>& requests) {
  std::vector<int64_t> starts;
  int64_t next = 0;
  for (const TestRequest& request : requests) {
    starts.push_back(next);
    next += request.length();
  }
  return starts;
}

std::vector<int64_t> starts_in_rows(const std::vector<TestRequest>& requests, int64_t row_length) {
  std::vector<int64_t> starts;
  int64_t next = 0;
  for (const TestRequest& request : requests) {
    const int64_t left = row_length - next % row_length;
    if (request.length() > left) next += left;
    starts.push_back(next);
    next += request.length();
  }
  return starts;
}

Inputs packed_inputs(const Graph& graph, const PassState& state,
                     const std::vector<TestRequest>& requests, const std::vector<int64_t>& starts) {
  Inputs inputs;
  for (const Node* input : graph.inputs)
    inputs[input->name] = {input->type, std::vector<double>(elements(input->type.shape), 0)};
  const bool in_rows = state.options.packing == PackingForm::B;
  double ordinal = 0;
  for (size_t i = 0; i < requests.size(); ++i) {
    ordinal = in_rows && starts[i] % state.packing.row_length == 0 ? 1 : ordinal + 1;
    for (int64_t at = 0; at < requests[i].length(); ++at) {
      const int64_t place = starts[i] + at;
      for (const std::string& name : state.packing.token_inputs)
        inputs[name].data[place] = token(name, requests[i], at);
      if (!state.packing.mask_input.empty()) inputs[state.packing.mask_input].data[place] = ordinal;
      if (!state.packing.position_input.empty())
        inputs[state.packing.position_input].data[place] = static_cast<double>(at);
    }
    if (state.packing.unpack_info_input.empty()) continue;
    std::vector<double>& info = inputs[state.packing.unpack_info_input].data;
    const auto length = static_cast<double>(requests[i].length());
    if (in_rows) info[2 * i] = static_cast<double>(starts[i]);
    info[in_rows ? 2 * i + 1 : i] = length;
  }
  return inputs;
}

std::vector<double> rows_of(const Array& array, int64_t axes, int64_t first, int64_t count) {
  int64_t size = 1;
  for (size_t d = axes; d < array.type.shape.size(); ++d) size *= array.type.shape[d];
  const auto from = array.data.begin() + first * size;
  return {from, from + count * size};
}

}  // namespace tessera::test
