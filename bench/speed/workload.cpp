// SPDX-License-Identifier: Apache-2.0
#include "bench/speed/workload.h"

#include <numeric>

#include "packing/lengths.h"
#include "packing/offline.h"
#include "packing/policy.h"
#include "packing/workload.h"

namespace tessera::speed {

Expected<std::vector<Request>> chapter_requests() {
  std::vector<Request> requests;
  for (SyntheticRequest& drawn : TRY(synthetic_workload({}))) {
    Request request;
    request.tokens["input_ids"] = std::move(drawn.ids);
    request.tokens["token_type_ids"] = std::move(drawn.types);
    requests.push_back(std::move(request));
  }
  return requests;
}

Expected<std::vector<Request>> sentence_requests() {
  const LengthHistogram histogram = TRY(read_histogram_csv(TESSERA_SENTENCE_LENGTHS));
  std::vector<Request> requests;
  for (size_t length = 1; length < histogram.counts.size(); ++length) {
    std::vector<int32_t> ids(length);
    for (int64_t i = 0; i < histogram.counts[length]; ++i) {
      std::iota(ids.begin(), ids.end(), static_cast<int32_t>(requests.size() % 29000));
      Request request;
      request.tokens["input_ids"] = ids;
      request.tokens["token_type_ids"].assign(length, 0);
      requests.push_back(std::move(request));
    }
  }
  return requests;
}

std::vector<int64_t> lengths_of(const std::vector<Request>& requests) {
  std::vector<int64_t> lengths;
  for (const Request& request : requests)
    lengths.push_back(static_cast<int64_t>(request.tokens.at("input_ids").size()));
  return lengths;
}

Expected<std::vector<PackedBatch>> pack_best(const PackingContract& contract,
                                             const std::vector<int64_t>& lengths) {
  std::vector<PackedBatch> best;
  for (const PackPolicy policy : all_policies()) {
    std::vector<PackedBatch> batches = TRY(pack_offline(contract, policy, lengths));
    if (best.empty() || batches.size() < best.size()) best = std::move(batches);
  }
  return best;
}

Expected<PackedWorkload> pack_workload() {
  PackedWorkload packed;
  packed.contract.form = PackingForm::B;
  packed.contract.rows = 16;
  packed.contract.row_length = packed.contract.segment_max_size = 256;
  packed.contract.ids_input = "input_ids";
  const std::vector<int64_t> lengths = lengths_of(TRY(chapter_requests()));
  packed.batches = TRY(pack_best(packed.contract, lengths));
  return packed;
}

}  // namespace tessera::speed
