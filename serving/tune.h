// SPDX-License-Identifier: Apache-2.0
// A compiled shape under a mix of lengths: the window and the time limit that suit it, and the
// requests that it then answers. Costs come from outside, as the time of a batch.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "packing/occupancy.h"
#include "packing/pack.h"
#include "serving/batch_former.h"
#include "support/expected.h"

namespace tessera {

struct TuneOptions {
  // Requests per second to plan for; 0: 80 % of what the shape can answer.
  double rate = 0;
  // Requests that the window policy keeps; fewer where they would not always fit.
  int64_t pinned = kPinnedOnline;
};

struct TunedShape {
  PackRule rule;
  Occupancy occupancy;             // with all requests known
  double requests_per_second = 0;  // of the machine, batch after batch
  double rate = 0;                 // that the times below are for
  Time time_limit{0};
  Time p50{0}, p99{0};  // from arrival to answer, in virtual time (serving/virtual_run.h)
  // Whether no more than about three batches waited when the last request came: more of them, and
  // they would wait ever longer.
  bool keeps_up = false;
};

// The window is the smallest of 16, 32, 64, 128 and 256 with which the shape answers at most half a
// percent fewer requests per second than with the best of them: a small one reorders less. The time
// limit is the one of 0, 1/4, 1/2, 1 and 2 batch times with the least p99 for Poisson arrivals at
// `rate`. Lengths are those of requests in the order of their arrival: at least one, and each fits
// the contract. batch_time >= 1 ns.
Expected<TunedShape> tune_shape(const PackingContract& contract, Time batch_time,
                                std::span<const int64_t> lengths, const TuneOptions& options);

// Request limits worth compiling form A for, ascending: attention costs max_valid_num times
// segment_max_size squared, used or not. They are what a batch of this shape holds in the mean, and
// a tenth and a quarter more.
std::vector<int64_t> request_limits(const PackingContract& contract,
                                    std::span<const int64_t> lengths);

}  // namespace tessera
