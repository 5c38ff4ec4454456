// SPDX-License-Identifier: Apache-2.0
#include "check/cases.h"

#include <algorithm>
#include <map>
#include <random>

namespace tessera {
namespace {

// Whole numbers below this where no table says more: token types, masks.
constexpr int64_t kFewValues = 2;

using TableLimits = std::map<std::string, int64_t>;

// For each input that a table is looked up by, behind casts and moves: the smallest such table.
TableLimits table_limits(const Graph& graph) {
  TableLimits limits;
  for (const auto& node : graph.nodes()) {
    if (!node->is(Op::Gather)) continue;
    const Node* index = node->in[1];
    while (index->is(Op::Cast) || index->is(Op::Reshape) || index->is(Op::Slice) ||
           index->is(Op::Transpose))
      index = index->in[0];
    if (!index->is(Op::Input)) continue;
    const int64_t rows = node->in[0]->type.shape[static_cast<size_t>(node->int_attr("axis"))];
    const auto [limit, is_new] = limits.emplace(index->name, rows);
    if (!is_new) limit->second = std::min(limit->second, rows);
  }
  return limits;
}

int64_t limit_of(const TableLimits& limits, const std::string& name) {
  const auto found = limits.find(name);
  return found == limits.end() || found->second < 1 ? kFewValues : found->second;
}

int64_t length_of(const Request& request, const std::string& ids) {
  return std::ssize(request.tokens.at(ids));
}

Shape shape_of(const TokenInputs& inputs, const std::string& name, Shape batch) {
  const Shape& of_token = inputs.of_token.at(name);
  batch.insert(batch.end(), of_token.begin(), of_token.end());
  return batch;
}

// Several numbers of one token are sorted, because models look up their differences: the second
// corner of a box lies behind the first.
void add_token(const TokenInputs& inputs, const std::string& name, uint64_t first, uint64_t limit,
               std::mt19937_64& random, auto& to) {
  const int64_t count = elements(inputs.of_token.at(name));
  for (int64_t i = 0; i < count; ++i) to.push_back(first + random() % (limit - first));
  std::sort(to.end() - count, to.end());
}

Array batch_of(const TokenInputs& inputs, const std::string& name, int64_t limit,
               std::mt19937_64& random) {
  Array array{
      {DType::I32, shape_of(inputs, name, inputs.batch)},
      {}
  };
  const int64_t rows = inputs.batch[0], length = inputs.batch[1];
  for (int64_t r = 0; r < rows; ++r) {
    const auto seen = 1 + static_cast<int64_t>(random() % static_cast<uint64_t>(length));
    for (int64_t t = 0; t < length; ++t) {
      add_token(inputs, name, 0, static_cast<uint64_t>(limit), random, array.data);
      if (name == inputs.mask)
        array.data.back() = (r == 0 || t < seen) != inputs.mask_hides ? 1 : 0;
      if (name == inputs.positions) array.data.back() = static_cast<double>(std::min(t, limit - 1));
    }
  }
  return array;
}

}  // namespace

Arrays random_batch(const Graph& graph, const TokenInputs& inputs, uint64_t seed) {
  const TableLimits limits = table_limits(graph);
  std::mt19937_64 random(seed);
  Arrays arrays;
  for (const Node* input : graph.inputs) {
    const int64_t limit = limit_of(limits, input->name);
    const bool is_index = limits.contains(input->name);
    if (std::ranges::find(inputs.all, input->name) != inputs.all.end()) {
      arrays[input->name] = batch_of(inputs, input->name, limit, random);
      continue;
    }
    Array array{input->type, {}};
    for (int64_t i = 0; i < elements(input->type.shape); ++i)
      array.data.push_back(is_float(input->type.dtype) && !is_index
                               ? static_cast<double>(random() % 2001) / 1000 - 1
                               : static_cast<double>(random() % static_cast<uint64_t>(limit)));
    round_to_dtype(array);
    arrays[input->name] = std::move(array);
  }
  return arrays;
}

std::vector<Case> random_cases(const Graph& graph, const TokenInputs& inputs, int64_t count,
                               uint64_t seed) {
  const TableLimits limits = table_limits(graph);
  const int64_t longest = inputs.batch[1];
  std::mt19937_64 random(seed);
  std::vector<int64_t> lengths = {longest, 1, (longest + 1) / 2};
  while (std::ssize(lengths) < count)
    lengths.push_back(1 + static_cast<int64_t>(random() % static_cast<uint64_t>(longest)));
  lengths.resize(static_cast<size_t>(count));
  std::vector<Case> cases;
  for (const int64_t length : lengths) {
    Case one{.name = "random " + std::to_string(cases.size()),
             .request = {},
             .length = length,
             .alone = {}};
    for (const std::string& name : inputs.all) {
      if (name == inputs.mask || name == inputs.positions) continue;
      std::vector<int32_t>& tokens = one.request.tokens[name];
      const auto limit = static_cast<uint64_t>(limit_of(limits, name));
      // 0 and 1 are padding in most vocabularies, and no token of a request.
      const uint64_t first = name == inputs.ids && limit > 4 ? 2 : 0;
      for (int64_t t = 0; t < length; ++t) add_token(inputs, name, first, limit, random, tokens);
    }
    cases.push_back(std::move(one));
  }
  return cases;
}

Arrays inputs_alone(const TokenInputs& inputs, const Request& request, int64_t rows,
                    int64_t length) {
  Arrays arrays;
  const int64_t own = length_of(request, inputs.ids);
  for (const std::string& name : inputs.all) {
    Array& array = arrays[name] = {
        {DType::I32, shape_of(inputs, name, {rows, length})},
        {}
    };
    const auto given = request.tokens.find(name);
    const int64_t width = elements(inputs.of_token.at(name));
    for (int64_t i = 0; i < rows * length * width; ++i) {
      const int64_t t = i / width % length;
      double value = 0;
      if (t < own && given != request.tokens.end())
        value = given->second[static_cast<size_t>(t * width + i % width)];
      else if (name == inputs.mask)
        value = (t < own) != inputs.mask_hides ? 1 : 0;
      else if (t < own && name == inputs.positions)
        value = static_cast<double>(t);
      array.data.push_back(value);
    }
  }
  return arrays;
}

}  // namespace tessera
