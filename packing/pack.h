// SPDX-License-Identifier: Apache-2.0
// Where requests go in a packed batch, and the tensors that say so. Semantics are PopRT's, as
// docs/packing.md gives them; golden vectors in tests/packing/packing_test.cpp.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "packing/policy.h"
#include "program/packing_contract.h"
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

// The longest request that this contract takes: form A segment_max_size, otherwise row_length.
int64_t longest_request(const PackingContract& contract);
// Requests in a batch at most: form A max_valid_num; B the same where it is not 0; without packing
// one a row.
int64_t most_requests(const PackingContract& contract);

// Tokens of all rows together.
int64_t row_tokens(const PackingContract& contract);
// Error where a size is out of range, or a batch takes no request at all. All that follows wants a
// contract that has passed.
Status check_contract(const PackingContract& contract);

// The tensors that packing makes: int32 [rows,row_length], and unpack_info_shape for unpack_info.
std::vector<int32_t> packed_positions(const PackingContract& contract, const PackedBatch& batch);
// Form A: ordinal in the batch; otherwise: ordinal in the row. 0 where no request is.
std::vector<int32_t> packed_mask(const PackingContract& contract, const PackedBatch& batch);
std::vector<int32_t> packed_unpack_info(const PackingContract& contract, const PackedBatch& batch);
// Where request number `ordinal` (0-based, in placements) stands in an output: byte offset and byte
// count of its tokens, or, in an output of a packed batch with one item per request, of its item.
struct OutputSlice {
  int64_t offset = 0;
  int64_t bytes = 0;
};
OutputSlice output_slice(const PackingContract& contract, const PackingContract::OutputRule& rule,
                         const PackedBatch& batch, size_t ordinal, int64_t bytes_per_item);

}  // namespace tessera
