// SPDX-License-Identifier: Apache-2.0
// The ways to choose which requests share a batch, and where each goes. One list for the packers,
// the runners and the command line.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "support/expected.h"

namespace tessera {

// A *bin* is what a request must fit into: a row in form B, the whole batch in form A, where
// requests go end to end.
enum class PackPolicy : uint8_t {
  NextFit,   // in order, into the bin that is being filled or one after it
  FirstFit,  // in order, into the first bin with room
  BestFit,   // in order, into the bin with the least room that still fits
  Window,    // best-fit-decreasing among the requests that have waited longest (PackRule)
  Spfhp,     // shortest-pack-first on the histogram of lengths: all requests must be known
  Lpfhp,     // longest-pack-first on the histogram, with repeats: all requests must be known
};

// A policy and its numbers; a PackPolicy alone means the defaults.
struct PackRule {
  PackPolicy policy = PackPolicy::FirstFit;
  // Window: a batch is closed when this many requests were passed over because none of them fits.
  int64_t window = 64;
  // Window: the requests that have waited longest, `pinned` of them, are placed in order before any
  // other. Where `pinned` is at most the batch's rows and its request limit they always fit, so
  // that a request with n others before it rides in batch n / pinned (counted from 0) at the
  // latest. More of them cost fill: at 16x256 about 1 % from 1 to 8. 0: kPinnedOffline where all
  // requests are known, kPinnedOnline where they are packed as they come.
  int64_t pinned = 0;
  // Spfhp, Lpfhp: most requests in a bin; 0: as many as fit.
  int64_t depth = 0;

  PackRule() = default;
  PackRule(PackPolicy which) : policy(which) {}  // implicit, so that a policy alone will do
};

inline constexpr int64_t kPinnedOffline = 1;
inline constexpr int64_t kPinnedOnline = 12;
inline int64_t pinned_offline(const PackRule& rule) {
  return rule.pinned == 0 ? kPinnedOffline : rule.pinned;
}
inline int64_t pinned_online(const PackRule& rule) {
  return rule.pinned == 0 ? kPinnedOnline : rule.pinned;
}

// "next_fit", "first_fit", "best_fit", "window", "spfhp", "lpfhp".
std::string_view to_string(PackPolicy policy);
// Usage error: "'x', must be next_fit, first_fit, …". The caller says whose word it is.
Expected<PackPolicy> parse_policy(std::string_view name);
std::span<const PackPolicy> all_policies();
std::string policy_words();  // "next_fit, first_fit, … or lpfhp"
// Whether requests can be packed as they come; the histogram packers must know them all.
bool packs_a_stream(PackPolicy policy);
// Usage error naming the number that is out of range: window >= 1, pinned in 0..window,
// depth >= 0.
Status check_rule(const PackRule& rule);

}  // namespace tessera
