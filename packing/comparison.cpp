// SPDX-License-Identifier: Apache-2.0
#include "packing/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "packing/offline.h"

namespace tessera {

double MeasuredPacking::microseconds_per_request() const {
  return seconds * 1e6 / static_cast<double>(occupancy.requests);
}

// The first run touches its memory for the first time.
Expected<MeasuredPacking> measure_packing(const PackingContract& contract, const PackRule& rule,
                                          std::span<const int64_t> lengths) {
  MeasuredPacking packing{std::string(to_string(rule.policy)), rule, {}, {}, 0};
  for (int run = 0; run < 3; ++run) {
    const auto start = std::chrono::steady_clock::now();
    packing.batches = TRY(pack_offline(contract, rule, lengths));
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    packing.seconds = run == 0 ? seconds : std::min(packing.seconds, seconds);
  }
  packing.occupancy = occupancy(contract, packing.batches);
  return packing;
}

Expected<std::vector<MeasuredPacking>> compare_policies(const PackingContract& contract,
                                                        PackRule rule,
                                                        std::span<const int64_t> lengths) {
  std::vector<MeasuredPacking> packings;
  PackingContract padded = contract;
  padded.form = PackingForm::None;
  packings.push_back(TRY(measure_packing(padded, PackPolicy::FirstFit, lengths)));
  packings.back().name = "padded";
  for (const PackPolicy policy : all_policies()) {
    rule.policy = policy;
    packings.push_back(TRY(measure_packing(contract, rule, lengths)));
  }
  const int64_t least = packings.back().occupancy.least_batches;
  packings.front().occupancy.least_batches = least;  // of packing, not of padding
  return packings;
}

std::string batch_words(const PackingContract& contract) {
  const int64_t most = most_requests(contract);
  return fmt::format("{}, {} rows of {} tokens, {}", in_words(contract.form), contract.rows,
                     contract.row_length,
                     most < row_tokens(contract) ? fmt::format("at most {} requests", most)
                                                 : "any number of requests");
}

nlohmann::ordered_json source_json(const std::string& what, const PackingContract& contract) {
  return {
      {"schema",        "tessera-pack/1"        },
      {"lengths",       what                    },
      {"batch",         batch_words(contract)   },
      {"rows",          contract.rows           },
      {"row_length",    contract.row_length     },
      {"max_valid_num", contract.max_valid_num  },
      {"delimiters",    contract.zero_delimiters}
  };
}

nlohmann::ordered_json to_json(const MeasuredPacking& packing) {
  const Occupancy& used = packing.occupancy;
  nlohmann::ordered_json json = {
      {"policy",                   packing.name                      },
      {"batches",                  used.batches                      },
      {"least_batches",            used.least_batches                },
      {"token_fill",               used.token_fill()                 },
      {"segment_fill",             nullptr                           },
      {"microseconds_per_request", packing.microseconds_per_request()}
  };
  if (used.segments > 0) json["segment_fill"] = used.segment_fill();
  return json;
}

nlohmann::ordered_json comparison_json(const std::string& what, const PackingContract& contract,
                                       std::span<const MeasuredPacking> packings) {
  nlohmann::ordered_json json = source_json(what, contract);
  for (const MeasuredPacking& packing : packings) json["policies"].push_back(to_json(packing));
  return json;
}

}  // namespace tessera
