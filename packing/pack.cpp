// SPDX-License-Identifier: Apache-2.0
#include "packing/pack.h"

#include <algorithm>

#include "support/check.h"

namespace tessera {

namespace {

bool is_end_to_end(const PackingContract& contract) { return contract.form == PackingForm::A; }

// A contract may be of a stranger's file. Packers take memory and time by its sizes.
constexpr int64_t kMostRows = int64_t{1} << 20;  // and tokens of a row
constexpr int64_t kMostRowTokens = int64_t{1} << 30;

Status check_size(const char* name, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return {};
  return Error{std::string("packing contract: ") + name + " is " + std::to_string(value) +
               ", must be in " + std::to_string(least) + ".." + std::to_string(most)};
}

}  // namespace

int64_t row_tokens(const PackingContract& contract) { return contract.rows * contract.row_length; }

int64_t longest_request(const PackingContract& contract) {
  if (is_end_to_end(contract)) return std::min(contract.segment_max_size, row_tokens(contract));
  return contract.row_length;
}

int64_t most_requests(const PackingContract& contract) {
  switch (contract.form) {
    case PackingForm::None: return contract.rows;
    case PackingForm::A: return contract.max_valid_num;
    case PackingForm::B: break;
  }
  return contract.max_valid_num > 0 ? contract.max_valid_num : row_tokens(contract);
}

Status check_contract(const PackingContract& contract) {
  TRY(check_size("rows", contract.rows, 1, kMostRows));
  TRY(check_size("row_length", contract.row_length, 1, kMostRows));
  if (row_tokens(contract) > kMostRowTokens)
    return Error{"packing contract: rows * row_length is " + std::to_string(row_tokens(contract)) +
                 ", must be at most " + std::to_string(kMostRowTokens)};
  TRY(check_size("max_valid_num", contract.max_valid_num, 0, kMostRowTokens));
  TRY(check_size("zero_delimiters", contract.zero_delimiters, 0, contract.row_length - 1));
  const int64_t longest = longest_request(contract);
  if (longest >= 1 && most_requests(contract) >= 1) return {};
  return Error{"packing contract: a batch takes " + std::to_string(most_requests(contract)) +
               " requests of up to " + std::to_string(longest) + " tokens, both must be >= 1"};
}

std::vector<int32_t> packed_positions(const PackingContract& contract, const PackedBatch& batch) {
  std::vector<int32_t> cells(static_cast<size_t>(row_tokens(contract)), 0);
  for (const Placement& place : batch.placements)
    for (int64_t i = 0; i < place.length; ++i)
      cells[static_cast<size_t>(place.start + i)] = static_cast<int32_t>(i);
  return cells;
}

std::vector<int32_t> packed_mask(const PackingContract& contract, const PackedBatch& batch) {
  std::vector<int32_t> cells(static_cast<size_t>(row_tokens(contract)), 0);
  if (contract.form == PackingForm::None && contract.mask_hides) {
    std::ranges::fill(cells, 1);
    for (const Placement& place : batch.placements)
      std::fill_n(cells.begin() + place.start, place.length, 0);
    return cells;
  }
  std::vector<int32_t> seen_in_row(static_cast<size_t>(contract.rows), 0);
  int32_t seen_in_batch = 0;
  for (const Placement& place : batch.placements) {
    const auto row = static_cast<size_t>(place.start / contract.row_length);
    const int32_t ordinal = is_end_to_end(contract) ? ++seen_in_batch : ++seen_in_row[row];
    std::fill_n(cells.begin() + place.start, place.length, ordinal);
  }
  return cells;
}

std::vector<int32_t> packed_unpack_info(const PackingContract& contract, const PackedBatch& batch) {
  std::vector<int32_t> info(static_cast<size_t>(elements(unpack_info_shape(contract))), 0);
  CHECK(static_cast<int64_t>(batch.placements.size()) <= contract.max_valid_num);
  auto at = info.begin();
  for (const Placement& place : batch.placements) {
    if (!is_end_to_end(contract)) *at++ = static_cast<int32_t>(place.start);
    *at++ = static_cast<int32_t>(place.length);
  }
  return info;
}

OutputSlice output_slice(const PackingContract& contract, const PackingContract::OutputRule& rule,
                         const PackedBatch& batch, size_t ordinal, int64_t bytes_per_item) {
  CHECK(ordinal < batch.placements.size());
  const Placement& place = batch.placements[ordinal];
  const auto row = static_cast<int64_t>(ordinal);
  if (contract.form != PackingForm::None && rule.per_request)
    return {row * bytes_per_item, bytes_per_item};
  if (!is_end_to_end(contract))
    return {place.start * bytes_per_item, place.length * bytes_per_item};
  return {row * contract.segment_max_size * bytes_per_item, place.length * bytes_per_item};
}

}  // namespace tessera
