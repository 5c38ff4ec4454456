// SPDX-License-Identifier: Apache-2.0
// A batch is rows of tokens, seen as one line of rows x row_length cells. Form A fills the line
// from its left end: a request that meets the end of a row goes on in the next. Form B keeps every
// request inside one row: next-fit looks at the row it is filling and those after it, first-fit at
// all of them. A batch never waits for a shorter request: the first that does not fit closes it.
#include "executor/packing/pack.h"

#include <algorithm>
#include <utility>

#include "support/check.h"

namespace tessera {

namespace {

bool is_end_to_end(const PackingContract& contract) {
  return contract.form == PackingForm::UnpackRepack;
}

int64_t capacity(const PackingContract& contract) { return contract.rows * contract.row_length; }

}  // namespace

int64_t longest_request(const PackingContract& contract) {
  if (is_end_to_end(contract)) return std::min(contract.segment_max_size, capacity(contract));
  return contract.row_length;
}

int64_t most_requests(const PackingContract& contract) {
  switch (contract.form) {
    case PackingForm::None: return contract.rows;
    case PackingForm::UnpackRepack: return contract.max_valid_num;
    case PackingForm::AttentionMask: break;
  }
  return contract.max_valid_num > 0 ? contract.max_valid_num : capacity(contract);
}

BatchPacker::BatchPacker(PackingContract contract, PackPolicy policy)
    : contract_(std::move(contract)), policy_(policy) {
  clear();
}

void BatchPacker::clear() {
  batch_ = {};
  row_fill_.assign(static_cast<size_t>(contract_.rows), 0);
  row_ = 0;
}

bool BatchPacker::full_of_requests() const {
  return static_cast<int64_t>(batch_.placements.size()) >= most_requests(contract_);
}

int64_t BatchPacker::free_tokens() const { return capacity(contract_) - batch_.tokens; }

int64_t BatchPacker::find_start(int64_t length) {
  if (is_end_to_end(contract_)) return length <= free_tokens() ? batch_.tokens : -1;
  const bool one_a_row = contract_.form == PackingForm::None;
  for (size_t row = policy_ == PackPolicy::NextFit ? row_ : 0; row < row_fill_.size(); ++row) {
    if (one_a_row && row_fill_[row] > 0) continue;
    const int64_t begin = row_fill_[row] == 0 ? 0 : row_fill_[row] + contract_.zero_delimiters;
    if (contract_.row_length - begin < length) continue;
    row_ = row;
    return static_cast<int64_t>(row) * contract_.row_length + begin;
  }
  return -1;
}

bool BatchPacker::try_add(size_t request, int64_t length) {
  CHECK(length >= 1 && length <= longest_request(contract_));
  if (full_of_requests()) return false;
  const int64_t start = find_start(length);
  if (start < 0) return false;
  if (!is_end_to_end(contract_)) row_fill_[row_] = start % contract_.row_length + length;
  batch_.placements.push_back({request, start, length});
  batch_.tokens += length;
  return true;
}

Expected<std::vector<PackedBatch>> pack_offline(const PackingContract& contract, PackPolicy policy,
                                                std::span<const int64_t> lengths) {
  const int64_t longest = longest_request(contract);
  if (longest < 1 || most_requests(contract) < 1)
    return Error{"packing contract: a batch takes " + std::to_string(most_requests(contract)) +
                 " requests of up to " + std::to_string(longest) + " tokens, both must be >= 1"};
  std::vector<PackedBatch> batches;
  BatchPacker packer(contract, policy);
  for (size_t i = 0; i < lengths.size(); ++i) {
    if (lengths[i] < 1 || lengths[i] > longest)
      return Error{"request " + std::to_string(i) + ": length is " + std::to_string(lengths[i]) +
                   ", must be in 1.." + std::to_string(longest)};
    if (packer.try_add(i, lengths[i])) continue;
    batches.push_back(packer.batch());
    packer.clear();
    CHECK(packer.try_add(i, lengths[i]));
  }
  if (!packer.batch().placements.empty()) batches.push_back(packer.batch());
  return batches;
}

std::vector<int32_t> packed_positions(const PackingContract& contract, const PackedBatch& batch) {
  std::vector<int32_t> cells(static_cast<size_t>(capacity(contract)), 0);
  for (const Placement& place : batch.placements)
    for (int64_t i = 0; i < place.length; ++i)
      cells[static_cast<size_t>(place.start + i)] = static_cast<int32_t>(i);
  return cells;
}

std::vector<int32_t> packed_mask(const PackingContract& contract, const PackedBatch& batch) {
  std::vector<int32_t> cells(static_cast<size_t>(capacity(contract)), 0);
  std::vector<int32_t> seen_in_row(static_cast<size_t>(contract.rows), 0);
  int32_t seen_in_batch = 0;
  for (const Placement& place : batch.placements) {
    const auto row = static_cast<size_t>(place.start / contract.row_length);
    const int32_t ordinal = is_end_to_end(contract) ? ++seen_in_batch : ++seen_in_row[row];
    std::fill_n(cells.begin() + place.start, place.length, ordinal);
  }
  return cells;
}

namespace {

// With delimiters, a length takes in the free cells behind the request: those of a used row then
// add up to the row, so that offsets are running sums.
int64_t cells_to_next(const PackingContract& contract, const PackedBatch& batch,
                      const Placement& place) {
  int64_t end = (place.start / contract.row_length + 1) * contract.row_length;
  for (const Placement& other : batch.placements)
    if (other.start > place.start) end = std::min(end, other.start);
  return end - place.start;
}

}  // namespace

std::vector<int32_t> packed_unpack_info(const PackingContract& contract, const PackedBatch& batch) {
  std::vector<int32_t> info(static_cast<size_t>(contract.max_valid_num), 0);
  CHECK(batch.placements.size() <= info.size());
  for (size_t i = 0; i < batch.placements.size(); ++i)
    info[i] = static_cast<int32_t>(contract.zero_delimiters == 0
                                       ? batch.placements[i].length
                                       : cells_to_next(contract, batch, batch.placements[i]));
  return info;
}

std::vector<int32_t> packed_tokens(const PackingContract& contract, const PackedBatch& batch,
                                   std::span<const std::span<const int32_t>> tokens) {
  std::vector<int32_t> cells(static_cast<size_t>(capacity(contract)), 0);
  for (const Placement& place : batch.placements) {
    CHECK(place.request < tokens.size());
    const std::span<const int32_t> ids = tokens[place.request];
    CHECK(static_cast<int64_t>(ids.size()) == place.length);
    std::copy(ids.begin(), ids.end(), cells.begin() + place.start);
  }
  return cells;
}

OutputSlice output_slice(const PackingContract& contract, const PackingContract::OutputRule& rule,
                         const PackedBatch& batch, size_t ordinal, int64_t bytes_per_item) {
  CHECK(ordinal < batch.placements.size());
  const Placement& place = batch.placements[ordinal];
  if (!is_end_to_end(contract))
    return {place.start * bytes_per_item, place.length * bytes_per_item};
  const auto row = static_cast<int64_t>(ordinal);
  if (rule.per_request) return {row * bytes_per_item, bytes_per_item};
  return {row * contract.segment_max_size * bytes_per_item, place.length * bytes_per_item};
}

}  // namespace tessera
