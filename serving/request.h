// SPDX-License-Identifier: Apache-2.0
// One caller's text, and what the model said of it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "executor/host_arrays.h"
#include "serving/metrics.h"
#include "support/expected.h"

namespace tessera {

// One request: its token inputs, row-major, all of one length, by name. The ids must be there;
// other token inputs are 0 where they are left out, positions 0, 1, 2 …, the mask 1.
struct Request {
  std::map<std::string, std::vector<int32_t>> tokens;
  // As the caller gave them; none: [length], and behind it what a token of that input has.
  std::map<std::string, Shape> shapes = {};
  // Its mask says which of its tokens are there, and the rest before or behind them is not part of
  // it: a row of a padded batch.
  bool is_padded = false;
  std::string name = {};  // for messages, as "3"; none: its number
};

// The rules by which a runner takes all its requests.
struct RequestOptions {
  // Form B: free cells between the requests of a row, for models that mix neighbouring tokens.
  int64_t zero_delimiters = 0;
  // Every request is taken as a padded one (Request::is_padded): its mask says which of its tokens
  // are there; these must stand together, and its answers have no items for the rest. If not set, a
  // zero in a mask is refused.
  bool strip_padding = false;
};

// From a caller's arrays, copied: [length], [1,length] or with further axes behind it, i32, int64
// (InputView::wide) or bool. Refused by name: another dtype, a value that does not fit 32 bits.
// Whether the shape is one of this model's inputs is the runner's to check.
Expected<Request> request_from(const InputViews& arrays);

// How an answer came about: its batch, and the host's time.
struct Ride {
  CloseReason reason = CloseReason::Tokens;     // why the batch was closed
  int64_t requests = 0, tokens = 0, cells = 0;  // of the batch; cells: tokens that it had room for
  std::chrono::nanoseconds queue{0};            // from submission to the closing of the batch
  std::chrono::nanoseconds pack{0}, run{0};     // of the batch: making its tensors, running it
};

struct Answer {
  // By output: the request's own items only, row-major bytes in the anchor's dtype.
  std::map<std::string, std::vector<std::byte>> outputs;
  size_t first_token = 0;  // of a padded request: the number of its first token that is there
  uint64_t batch = 0;      // which batch it rode in
  int64_t ordinal = 0;     // its place there, from 0
  Ride ride = {};          // of a PackRunner
  // Why it has no outputs although its batch ran: the model computed an index from it that a table
  // does not have.
  std::optional<Error> refused = {};
  // The outputs that hold infinities or NaN, if the executable is of half precision.
  std::vector<NotFinite> not_finite = {};
};

}  // namespace tessera
