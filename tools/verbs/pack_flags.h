// SPDX-License-Identifier: Apache-2.0
// The packing verbs share this: where lengths come from, and how requests are chosen.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "packing/histogram.h"
#include "packing/policy.h"
#include "support/expected.h"
#include "tools/flags/program_options.h"

namespace tessera::tools {

struct LengthSource {
  std::string what;  // for people: "8,000 drawn from squad.csv (seed 2023)"
  std::vector<int64_t> lengths;
  // Where the source is a histogram and --draw was not given: all of it. `lengths` are then a draw
  // of 8,000, for policies that need an order.
  std::optional<LengthHistogram> histogram;
};

// The values of the flags that say lengths; several verbs have these flags.
struct LengthFlags {
  int64_t draw = 0, random = 0;  // --draw, --random
  double average = 0;            // --avg_seq_len
  int64_t longest = 0;           // --max_seq_len
  uint32_t seed = 0;             // --seed
  std::string ids;               // --ids
  std::string mask;              // --mask
};
po::options_description length_flags();
LengthFlags length_flags_of(const po::variables_map& flags);
// `path`: .npy, .jsonl, .csv or a folder of requests; "" with --random. `verb`: for errors.
Expected<LengthSource> length_source(const LengthFlags& flags, const std::string& path,
                                     const char* verb);

// --policy, --window, --pinned, --depth. `policies`: for the help.
po::options_description rule_flags(const char* default_policy, const std::string& policies);
Expected<PackRule> pack_rule(const po::variables_map& flags);

}  // namespace tessera::tools
