// SPDX-License-Identifier: Apache-2.0
// Ways to answer a workload. All its requests would take minutes a way, so every way answers a
// sample that stands for them: requests evenly spaced in the order of their lengths, packed batches
// evenly spaced among those that all need. A figure is what all would take: the mean over the
// sample times their number. Every way is compared on the same requests, and none is credited with
// padding.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bench/speed/peer.h"
#include "executor/model_runner.h"
#include "packing/pack.h"
#include "serving/batch_runner.h"
#include "support/expected.h"

namespace tessera::speed {

class Ours {
 public:
  // `requests` outlive it.
  static Expected<std::unique_ptr<Ours>> load(const std::string& popef, int threads,
                                              const std::vector<Request>& requests);
  size_t batches() const { return batches_.size(); }
  // Seconds of packing the inputs, the run and handing out answers, for all requests; of a full
  // batch from the middle of the work.
  Expected<double> all_requests();

 private:
  Ours() = default;
  std::unique_ptr<ModelRunner> runner_;
  std::unique_ptr<BatchRunner> batch_runner_;
  std::vector<const Request*> requests_;
  std::vector<PackedBatch> batches_;
};

// A peer runs this sample of the requests; `times` samples are as much work as all of them.
struct PeerWork {
  std::string name;
  std::vector<PeerBatch> sample;
  double times = 0;
};
PeerWork padded_work(std::vector<int64_t> lengths, int64_t rows, int64_t length);
PeerWork single_work(std::vector<int64_t> lengths);
PeerWork sorted_work(std::vector<int64_t> lengths, int64_t rows);

Expected<double> all_requests(Peer& peer, const PeerWork& work);  // seconds

}  // namespace tessera::speed
