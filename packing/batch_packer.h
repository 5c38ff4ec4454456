// SPDX-License-Identifier: Apache-2.0
// One open batch that requests are put into as they come.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "packing/bins.h"
#include "packing/pack.h"
#include "packing/policy.h"
#include "program/packing_contract.h"

namespace tessera {

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

}  // namespace tessera
