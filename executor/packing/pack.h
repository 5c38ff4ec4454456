// SPDX-License-Identifier: Apache-2.0
// Where requests go in a packed batch, and the tensors that say so. Semantics are PopRT's, as
// docs/packing.md gives them; golden vectors in tests/executor/packing_test.cpp.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "program/popef.h"
#include "support/expected.h"

namespace tessera {

// A request's place: its first token in the flattened batch, and its length. Form B never crosses
// a row; form A may.
struct Placement {
  size_t request = 0;  // the caller's index
  int64_t start = 0;
  int64_t length = 0;
};

struct PackedBatch {
  std::vector<Placement> placements;  // in the order of packing: ordinal 1, 2, …
  int64_t tokens = 0;
};

enum class PackPolicy : uint8_t { NextFit, FirstFit };

// The longest request that this contract takes: form A segment_max_size, otherwise row_length.
int64_t longest_request(const PackingContract& contract);
// Requests in a batch at most: form A max_valid_num; B the same where it is not 0; without packing
// one a row.
int64_t most_requests(const PackingContract& contract);

// Open batch that takes requests until one does not fit. Form A: end to end, whatever the policy;
// B: by policy, none across rows; no packing: one a row, at its start. Not thread-safe.
class BatchPacker {
 public:
  BatchPacker(PackingContract contract, PackPolicy policy);
  // False if it does not fit this batch. Length must be in 1 .. longest_request(contract).
  bool try_add(size_t request, int64_t length);
  const PackedBatch& batch() const { return batch_; }
  bool full_of_requests() const;  // most_requests reached
  int64_t free_tokens() const;    // of all rows; a request that long need not fit
  void clear();

 private:
  // Where `length` tokens would begin in the flattened batch, or -1.
  int64_t find_start(int64_t length);

  PackingContract contract_;
  PackPolicy policy_;
  PackedBatch batch_;
  std::vector<int64_t> row_fill_;
  size_t row_ = 0;
};

// All requests into batches, in order (offline). Errors name the request: empty, too long.
Expected<std::vector<PackedBatch>> pack_offline(const PackingContract& contract, PackPolicy policy,
                                                std::span<const int64_t> lengths);

// The tensors that packing makes, int32 [rows,row_length] and unpack_info [max_valid_num,1].
std::vector<int32_t> packed_positions(const PackingContract& contract, const PackedBatch& batch);
// Form A: ordinal in the batch; otherwise: ordinal in the row. 0 where no request is.
std::vector<int32_t> packed_mask(const PackingContract& contract, const PackedBatch& batch);
std::vector<int32_t> packed_unpack_info(const PackingContract& contract, const PackedBatch& batch);
// Concatenates one token input of the requests (tokens[i] is request i's, of its length).
std::vector<int32_t> packed_tokens(const PackingContract& contract, const PackedBatch& batch,
                                   std::span<const std::span<const int32_t>> tokens);
// Where request number `ordinal` (0-based, in placements) stands in an output: byte offset and byte
// count of its tokens, or, in an output of form A with one item per request, of its item.
struct OutputSlice {
  int64_t offset = 0;
  int64_t bytes = 0;
};
OutputSlice output_slice(const PackingContract& contract, const PackingContract::OutputRule& rule,
                         const PackedBatch& batch, size_t ordinal, int64_t bytes_per_item);

}  // namespace tessera
