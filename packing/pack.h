// SPDX-License-Identifier: Apache-2.0
// Where requests go in a packed batch, and the tensors that say so. Semantics are PopRT's, as
// docs/packing.md gives them; golden vectors in tests/packing/packing_test.cpp.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "packing/bins.h"
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

// A request that waits to be packed.
struct Candidate {
  size_t request = 0;  // the caller's index, for its Placement
  int64_t length = 0;  // in 1 .. longest_request(contract)
};

// One open batch. Form A: end to end; B: none across rows; no packing: one a row, at its start.
// Not thread-safe.
class BatchPacker {
 public:
  // A contract and a rule that their checks take, and a policy that packs a stream.
  BatchPacker(const PackingContract& contract, const PackRule& rule);

  // Takes of those who wait, in the order of their waiting, what the rule chooses. True if that is
  // all of them; otherwise the batch is to be sent: it is full_of_requests(), or
  //   NextFit, FirstFit, BestFit: the first that does not fit closes it, none behind is taken;
  //   Window: the first `pinned` are placed in order, the others longest first out of the `window`
  //   that have waited longest; each that was placed lets another in; those passed over stay out.
  // May be called again with what came since.
  bool fill(std::span<const Candidate> waiting);
  // One request alone, by the rule's search for a place (Window: best-fit). False if it does not
  // fit.
  bool try_add(size_t request, int64_t length);

  const PackedBatch& batch() const { return batch_; }
  bool full_of_requests() const;  // most_requests reached
  int64_t free_tokens() const;    // of all rows; a request that long need not fit
  void clear();

 private:
  bool fill_in_order(std::span<const Candidate> waiting);
  bool fill_window(std::span<const Candidate> waiting);

  PackRule rule_;
  int64_t longest_, most_requests_, row_tokens_, row_length_;
  int64_t delimiters_;
  int64_t bin_capacity_;  // tokens of a bin, and the delimiter that its last request does not need
  bool one_a_row_;
  Bins bins_;
  PackedBatch batch_;
  std::vector<uint64_t> longest_first_;  // scratch of fill_window
};

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
