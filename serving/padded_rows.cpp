// SPDX-License-Identifier: Apache-2.0
#include "serving/padded_rows.h"

#include <algorithm>
#include <cstring>

#include "serving/kept_tokens.h"
#include "serving/rejection.h"
#include "serving/request_contract.h"

namespace tessera {
namespace {

Error bad_batch(const std::string& what, std::string_view type = rejection::kWrongInput) {
  return {"request: " + what, ErrorKind::Failed, type};
}

Shape tail(const Shape& shape, int64_t lead) {
  return {shape.begin() + std::min(lead, std::ssize(shape)), shape.end()};
}

}  // namespace

std::optional<BatchSize> padded_batch(const std::string& ids, const Request& arrays, bool one_row) {
  const auto found = arrays.shapes.find(ids);
  if (found == arrays.shapes.end() || found->second.size() != 2) return {};
  const BatchSize size{found->second[0], found->second[1]};
  if (size.rows == 1 && !one_row) return {};
  return size;
}

Expected<std::vector<Request>> split_rows(const Request& batch, const std::string& ids) {
  const Shape& lead = batch.shapes.at(ids);
  if (elements(lead) < 1)
    return bad_batch(ids + " is " + to_string(lead) + ", must have at least a row of a token",
                     rejection::kEmpty);
  std::vector<Request> rows(static_cast<size_t>(lead[0]));
  for (const auto& [name, values] : batch.tokens) {
    const Shape& shape = batch.shapes.at(name);
    if (!begins_with(shape, lead))
      return bad_batch(name + " is " + to_string(shape) + ", must begin with " + to_string(lead) +
                       " as " + ids + " of this padded batch");
    const int64_t each = std::ssize(values) / lead[0];
    for (size_t row = 0; row < rows.size(); ++row) {
      const auto begin = values.begin() + static_cast<int64_t>(row) * each;
      rows[row].tokens[name].assign(begin, begin + each);
      rows[row].shapes[name] = {shape.begin() + 1, shape.end()};
    }
  }
  for (Request& row : rows) row.is_padded = true;
  return rows;
}

Expected<Request> without_padding(const Request& row, const std::string& ids,
                                  const std::string& mask, int32_t there) {
  const auto found = row.tokens.find(mask);
  if (found == row.tokens.end()) return row;
  const KeptTokens kept = TRY(kept_tokens(mask, found->second, there, true));
  const size_t width = row.tokens.at(ids).size();
  Request cut = row;
  cut.is_padded = false;
  cut.tokens.erase(mask);
  cut.shapes.erase(mask);
  for (auto& [name, values] : cut.tokens) {
    const auto each = static_cast<ptrdiff_t>(values.size() / std::max<size_t>(1, width));
    const auto begin = values.begin() + static_cast<ptrdiff_t>(kept.first) * each;
    values = std::vector<int32_t>(begin, begin + static_cast<ptrdiff_t>(kept.count) * each);
    cut.shapes.at(name)[0] = static_cast<int64_t>(kept.count);
  }
  return cut;
}

OutputOfRequest output_of_request(const PackingContract& contract, const Anchor& output) {
  if (contract.request_size == RequestSize::Batch) {  // its one request has all of it
    const bool one_row = !output.shape.empty() && output.shape[0] == 1;
    return {false, tail(output.shape, one_row ? 1 : 0)};
  }
  const bool per_token = !is_per_request(contract, output);
  return {per_token, tail(output.shape, per_token ? 2 : 1)};
}

Shape answer_shape(const PackingContract& contract, const Anchor& output, size_t bytes) {
  const OutputOfRequest of = output_of_request(contract, output);
  if (!of.per_token) return of.item;
  const int64_t item_bytes = elements(of.item) * size_of(output.dtype);
  Shape shape = of.item;
  shape.insert(shape.begin(), item_bytes ? static_cast<int64_t>(bytes) / item_bytes : 0);
  return shape;
}

BatchOutput join_rows(const OutputOfRequest& output, const Anchor& anchor, int64_t width,
                      std::span<const Answer> answers) {
  BatchOutput joined{{std::ssize(answers)}, {}};
  if (output.per_token) joined.shape.push_back(width);
  joined.shape.insert(joined.shape.end(), output.item.begin(), output.item.end());
  joined.bytes.resize(static_cast<size_t>(elements(joined.shape) * size_of(anchor.dtype)));
  const size_t item_bytes = static_cast<size_t>(elements(output.item) * size_of(anchor.dtype));
  const size_t row_bytes = joined.bytes.size() / std::max<size_t>(1, answers.size());
  for (size_t row = 0; row < answers.size(); ++row) {
    const std::vector<std::byte>& bytes = answers[row].outputs.at(anchor.name);
    const size_t before = output.per_token ? answers[row].first_token * item_bytes : 0;
    if (bytes.empty() || before >= row_bytes) continue;
    std::memcpy(joined.bytes.data() + row * row_bytes + before, bytes.data(),
                std::min(bytes.size(), row_bytes - before));
  }
  return joined;
}

}  // namespace tessera
