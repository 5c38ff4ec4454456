// SPDX-License-Identifier: Apache-2.0
// What the packing verbs share: where lengths come from, and how requests are chosen.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "packing/histogram.h"
#include "packing/policy.h"
#include "tools/verb.h"

namespace tessera::tools {

struct LengthSource {
  std::string what;  // for people: "8,000 drawn from squad.csv (seed 2023)"
  std::vector<int64_t> lengths;
  // Where the source is a histogram and --draw was not given: all of it. `lengths` are then a draw
  // of 8,000, for policies that need an order.
  std::optional<LengthHistogram> histogram;
};

po::options_description length_flags();
// `path`: .npy, .jsonl, .csv or a folder of requests; "" with --random.
Expected<LengthSource> length_source(const po::variables_map& flags, const std::string& path);

// --policy, --window, --pinned, --depth. `policies`: for the help.
po::options_description rule_flags(const char* default_policy, const char* policies);
Expected<PackRule> pack_rule(const po::variables_map& flags);

// Names of the folders in a folder, sorted; at least one.
Expected<std::vector<std::string>> request_folders(const std::string& folder);

}  // namespace tessera::tools
