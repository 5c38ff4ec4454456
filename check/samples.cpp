// SPDX-License-Identifier: Apache-2.0
#include "check/samples.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "compiler/onnx/import/import.h"
#include "support/check.h"
#include "support/plain_text.h"

namespace tessera {
namespace {

constexpr int64_t kUsualRows = 4, kUsualTokens = 32;

Error wrong(const Sample& sample, const std::string& what) {
  return Error{"sample '" + visible(sample.name) + "': " + what};
}

// --- Samples of tokens ---

// One row of a batch that is not yet as long as the batch.
struct TokenRow {
  int64_t length = 0;
  std::map<std::string, std::vector<double>> numbers;  // of every token input
  std::vector<bool> seen;                              // by token
};

class TokenRows {
 public:
  explicit TokenRows(const TokenInputs& inputs) : inputs_(inputs) {}

  Status add(const Sample& sample) {
    const auto ids = sample.arrays.find(inputs_.ids);
    if (ids == sample.arrays.end()) return wrong(sample, "has no '" + inputs_.ids + "', the ids");
    const Shape& shape = ids->second.type.shape;
    if (shape.size() != 1 && shape.size() != 2)
      return wrong(sample, "ids are " + to_string(shape) +
                               ", must be [length] of a request or [rows,length]");
    const bool is_request = shape.size() == 1;
    const int64_t rows = is_request ? 1 : shape[0], length = shape.back();
    if (length < 1 || length > inputs_.batch[1])
      return wrong(sample, fmt::format("has {} tokens a row, must have 1 to {} (--input_shape says "
                                       "how many a batch has)",
                                       length, inputs_.batch[1]));
    for (const auto& [name, array] : sample.arrays) {
      if (std::ranges::find(inputs_.all, name) == inputs_.all.end())
        return wrong(sample, "'" + visible(name) + "' is not an input of the model");
      Shape must = shape;
      const Shape& of_token = inputs_.of_token.at(name);
      must.insert(must.end(), of_token.begin(), of_token.end());
      if (array.type.shape != must)
        return wrong(sample,
                     fmt::format("'{}' is {}, must be {} as the ids are {}", visible(name),
                                 to_string(array.type.shape), to_string(must), to_string(shape)));
    }
    for (int64_t row = 0; row < rows; ++row) rows_.push_back(row_of(sample, row, length));
    return {};
  }

  std::vector<SampleBatch> batches() const {
    std::vector<SampleBatch> made;
    const int64_t rows = inputs_.batch[0];
    for (size_t first = 0; first < rows_.size(); first += static_cast<size_t>(rows)) {
      SampleBatch& batch = made.emplace_back();
      for (const std::string& name : inputs_.all) {
        Shape shape = inputs_.batch;
        const Shape& of_token = inputs_.of_token.at(name);
        shape.insert(shape.end(), of_token.begin(), of_token.end());
        batch.inputs[name] = {
            {DType::I32, shape},
            {}
        };
      }
      for (int64_t r = 0; r < rows; ++r) append(first + static_cast<size_t>(r), batch);
    }
    return made;
  }

 private:
  TokenRow row_of(const Sample& sample, int64_t row, int64_t length) const {
    TokenRow made{length, {}, std::vector<bool>(static_cast<size_t>(length), true)};
    for (const std::string& name : inputs_.all) {
      std::vector<double>& numbers = made.numbers[name];
      const int64_t count = length * elements(inputs_.of_token.at(name));
      const auto given = sample.arrays.find(name);
      if (given != sample.arrays.end()) {
        const auto from = given->second.data.begin() + row * count;
        numbers.assign(from, from + count);
      } else {
        for (int64_t i = 0; i < count; ++i) numbers.push_back(usual(name, i));
      }
      if (name != inputs_.mask) continue;
      for (int64_t t = 0; t < length; ++t)
        made.seen[static_cast<size_t>(t)] =
            (numbers[static_cast<size_t>(t)] != 0) != inputs_.mask_hides;
    }
    return made;
  }

  double usual(const std::string& name, int64_t i) const {
    if (name == inputs_.mask) return inputs_.mask_hides ? 0 : 1;
    return name == inputs_.positions ? static_cast<double>(i) : 0;
  }

  // Past the last row, the last once more: a row without any token would be none that a model
  // meets. It counts for nothing.
  void append(size_t index, SampleBatch& batch) const {
    const TokenRow& row = rows_[std::min(index, rows_.size() - 1)];
    const int64_t length = inputs_.batch[1];
    for (const std::string& name : inputs_.all) {
      std::vector<double>& data = batch.inputs[name].data;
      const std::vector<double>& numbers = row.numbers.at(name);
      data.insert(data.end(), numbers.begin(), numbers.end());
      const int64_t padding = (length - row.length) * elements(inputs_.of_token.at(name));
      data.insert(data.end(), static_cast<size_t>(padding),
                  name == inputs_.mask && inputs_.mask_hides ? 1 : 0);
    }
    for (int64_t t = 0; t < length; ++t)
      batch.used.push_back(index < rows_.size() && t < row.length &&
                           row.seen[static_cast<size_t>(t)]);
  }

  const TokenInputs& inputs_;
  std::vector<TokenRow> rows_;
};

// --- Samples of other models ---

// The rows [first,first + rows) of an array.
Array rows_of(const Array& array, int64_t first, const TensorType& type) {
  Array part{type, {}};
  const int64_t each = elements(type.shape) / std::max<int64_t>(1, type.shape[0]);
  const auto from = array.data.begin() + first * each;
  part.data.assign(from, from + elements(type.shape));
  return part;
}

// The shape itself, or more rows of it.
bool holds(const Shape& given, const Shape& batch) {
  return given.size() == batch.size() &&
         (given.empty() ||
          (given[0] >= batch[0] && std::equal(given.begin() + 1, given.end(), batch.begin() + 1)));
}

Status check_names(const Graph& graph, const Sample& sample) {
  for (const auto& [name, array] : sample.arrays) {
    const auto is_it = [&](const Node* input) { return input->name == name; };
    if (std::ranges::none_of(graph.inputs, is_it))
      return wrong(sample, "'" + visible(name) + "' is not an input of the model");
  }
  return {};
}

// How many rows the sample has, where all inputs have rows; nothing where it is one batch as it is.
Expected<std::optional<int64_t>> rows_in(const Graph& graph, const Sample& sample) {
  std::optional<int64_t> rows;
  bool is_batch = true;
  for (const Node* input : graph.inputs) {
    const auto given = sample.arrays.find(input->name);
    if (given == sample.arrays.end())
      return wrong(sample, "has no '" + visible(input->name) + "', must have every input");
    const Shape &is = given->second.type.shape, &must = input->type.shape;
    if (!holds(is, must))
      return wrong(sample, fmt::format("'{}' is {}, must be {} or more rows of it",
                                       visible(input->name), to_string(is), to_string(must)));
    is_batch = is_batch && is == must;
    if (!rows && !is.empty()) rows = is[0];
  }
  if (is_batch) return std::optional<int64_t>();
  const int64_t each = graph.inputs[0]->type.shape.empty() ? 0 : graph.inputs[0]->type.shape[0];
  for (const Node* input : graph.inputs) {
    const Shape &is = sample.arrays.at(input->name).type.shape, &must = input->type.shape;
    if (!must.empty() && must[0] == each && each > 0 && is[0] == *rows) continue;
    return wrong(sample, fmt::format("'{}' is {}, must have {} rows as the inputs before it",
                                     visible(input->name), to_string(is), *rows));
  }
  return rows;
}

Status add_batches(const Graph& graph, const Sample& sample, std::vector<SampleBatch>& batches) {
  TRY(check_names(graph, sample));
  const std::optional<int64_t> rows = TRY(rows_in(graph, sample));
  const int64_t each = rows ? graph.inputs[0]->type.shape[0] : 1, all = rows.value_or(1);
  for (int64_t begin = 0; begin < all; begin += each) {
    SampleBatch& batch = batches.emplace_back();
    for (const Node* input : graph.inputs) {
      const Array& array = sample.arrays.at(input->name);
      batch.inputs[input->name] =
          rows ? rows_of(array, std::min(begin, all - each), input->type) : array;
      batch.inputs[input->name].type.dtype = input->type.dtype;
    }
  }
  return {};
}

// The largest dimensions that samples have of an input, those of requests with their number in
// front; zeros where none has it.
Shape largest_of(const std::string& input, size_t rank, std::span<const Sample> samples) {
  Shape most(rank, 0);
  for (const Sample& sample : samples) {
    const auto found = sample.arrays.find(input);
    if (found == sample.arrays.end()) continue;
    Shape is = found->second.type.shape;
    if (is.size() + 1 == rank) is.insert(is.begin(), std::ssize(samples));
    if (is.size() != rank) continue;
    for (size_t d = 0; d < rank; ++d) most[d] = std::max(most[d], is[d]);
  }
  return most;
}

bool is_of_tokens(const TokenInputs& inputs) { return inputs.only_these && !inputs.ids.empty(); }

}  // namespace

Expected<Array> array_of(const NpyArray& npy, const std::string& where) {
  Array array;
  array.type.shape = npy.shape;
  const auto read = [&]<class T>(T, DType dtype) {
    array.type.dtype = dtype;
    for (size_t i = 0; i + sizeof(T) <= npy.bytes.size(); i += sizeof(T)) {
      T value;
      std::memcpy(&value, npy.bytes.data() + i, sizeof value);
      array.data.push_back(static_cast<double>(value));
    }
  };
  const std::string& descr = npy.descr;
  if (descr == "<f2") return to_array(Tensor::copy({DType::F16, npy.shape}, npy.bytes));
  if (descr == "<f4")
    read(float(), DType::F32);
  else if (descr == "<f8")
    read(double(), DType::F32);
  else if (descr == "<i8")
    read(int64_t(), DType::I32);
  else if (descr == "<i4")
    read(int32_t(), DType::I32);
  else if (descr == "<i2")
    read(int16_t(), DType::I32);
  else if (descr == "|i1")
    read(int8_t(), DType::I32);
  else if (descr == "|u1")
    read(uint8_t(), DType::I32);
  else if (descr == "|b1")
    read(uint8_t(), DType::Bool);
  else
    return Error{where + ": is of type '" + visible(descr) + "', must be float, half, int or bool"};
  return array;
}

Expected<InputShapes> shapes_for(const std::string& model_path, const InputShapes& asked,
                                 std::span<const Sample> samples, const Limits& limits) {
  if (!asked.empty()) return asked;
  const std::vector<DeclaredInput> inputs = TRY(declared_model_inputs(model_path, limits));
  // By rank: an input that a sample leaves out is as large as those it gives.
  std::map<size_t, Shape> largest;
  for (const DeclaredInput& input : inputs) {
    const size_t rank = input.shape.size();
    const Shape is = largest_of(input.name, rank, samples);
    Shape& most = largest.try_emplace(rank, Shape(rank, 0)).first->second;
    for (size_t d = 0; d < rank; ++d) most[d] = std::max(most[d], is[d]);
  }
  InputShapes shapes;
  for (const DeclaredInput& input : inputs) {
    if (std::ranges::none_of(input.shape, [](int64_t dim) { return dim < 0; })) continue;
    const size_t rank = input.shape.size();
    const bool is_in_all = std::ranges::all_of(
        samples, [&](const Sample& sample) { return sample.arrays.contains(input.name); });
    const Shape is =
        is_in_all && !samples.empty() ? largest_of(input.name, rank, samples) : largest.at(rank);
    Shape& shape = shapes[input.name] = input.shape;
    for (size_t d = 0; d < rank; ++d) {
      if (shape[d] >= 0) continue;
      shape[d] = is[d] > 0 ? is[d] : (d == 0 ? kUsualRows : kUsualTokens);
      if (d == 0) shape[d] = std::min(shape[d], kUsualRows);
    }
  }
  return shapes;
}

Expected<std::vector<SampleBatch>> batches_of(const Graph& graph, const TokenInputs& inputs,
                                              std::span<const Sample> samples) {
  std::vector<SampleBatch> batches;
  if (!is_of_tokens(inputs)) {
    for (const Sample& sample : samples) TRY(add_batches(graph, sample, batches));
    return batches;
  }
  TokenRows rows(inputs);
  for (const Sample& sample : samples) TRY(rows.add(sample));
  return rows.batches();
}

std::vector<SampleBatch> random_batches(const Graph& graph, const TokenInputs& inputs,
                                        int64_t requests, uint64_t seed) {
  if (!is_of_tokens(inputs)) {
    std::vector<SampleBatch> batches;
    for (uint64_t i = 0; i < 2; ++i) batches.push_back({random_batch(graph, inputs, seed + i), {}});
    return batches;
  }
  TokenRows rows(inputs);
  for (const Case& one : random_cases(graph, inputs, requests, seed)) {
    Sample sample{one.name, {}};
    for (const auto& [name, tokens] : one.request.tokens) {
      Shape shape = {one.length};
      const Shape& of_token = inputs.of_token.at(name);
      shape.insert(shape.end(), of_token.begin(), of_token.end());
      sample.arrays[name] = {
          {DType::I32,     shape       },
          {tokens.begin(), tokens.end()}
      };
    }
    CHECK(rows.add(sample).ok());
  }
  return rows.batches();
}

UsedElements::UsedElements(const SampleBatch& batch, const TokenInputs& inputs,
                           const Shape& shape) {
  if (batch.used.empty() || shape.empty()) return;
  const int64_t rows = inputs.batch[0], length = inputs.batch[1], all = elements(shape);
  const bool by_cell =
      shape[0] == rows * length || (shape.size() > 1 && shape[0] == rows && shape[1] == length);
  if (by_cell) {
    used_ = batch.used;
  } else if (shape[0] == rows) {
    for (int64_t r = 0; r < rows; ++r) {
      const auto begin = batch.used.begin() + r * length;
      used_.push_back(std::find(begin, begin + length, true) != begin + length);
    }
  }
  if (!used_.empty()) elements_each_ = std::max<int64_t>(1, all / std::ssize(used_));
}

}  // namespace tessera
