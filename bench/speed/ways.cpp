// SPDX-License-Identifier: Apache-2.0
#include "bench/speed/ways.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "bench/speed/bench.h"
#include "bench/speed/workload.h"

namespace tessera::speed {
namespace {

constexpr size_t kSampledRequests = 16, kSampledBuckets = 4;

// Chooses `count` of n things: those in the middle of equal parts.
std::vector<size_t> evenly(size_t n, size_t count) {
  std::vector<size_t> chosen;
  for (size_t i = 0; i < count; ++i) chosen.push_back((2 * i + 1) * n / (2 * count));
  return chosen;
}

}  // namespace

Expected<std::unique_ptr<Ours>> Ours::load(const std::string& popef, int threads,
                                           const std::vector<Request>& requests) {
  std::unique_ptr<Ours> ours(new Ours);
  MachineOptions options;
  options.threads = threads;
  ours->runner_ = TRY(ModelRunner::load(popef, options));
  ours->batch_runner_ = TRY(BatchRunner::create(*ours->runner_));
  const std::vector<int64_t> lengths = lengths_of(requests);
  for (const Request& request : requests) ours->requests_.push_back(&request);
  ours->batches_ = TRY(pack_best(ours->batch_runner_->contract(), lengths));
  return ours;
}

Expected<double> Ours::all_requests() {
  const double seconds = TRY(timed([&]() -> Status {
    TRY(batch_runner_->run(batches_[batches_.size() / 2], requests_, 0));
    return {};
  }));
  return seconds * static_cast<double>(batches_.size());
}

PeerWork padded_work(std::vector<int64_t> lengths, int64_t rows, int64_t length) {
  PeerWork work{fmt::format("padded to {}x{}", rows, length), {{length, {}}}, 0};
  for (const size_t i : evenly(lengths.size(), static_cast<size_t>(rows)))
    work.sample[0].lengths.push_back(lengths[i]);
  work.times = static_cast<double>(lengths.size()) / static_cast<double>(rows);
  return work;
}

PeerWork single_work(std::vector<int64_t> lengths) {
  std::sort(lengths.begin(), lengths.end());
  PeerWork work{"each at its own length", {}, 0};
  for (const size_t i : evenly(lengths.size(), kSampledRequests))
    work.sample.push_back({lengths[i], {lengths[i]}});
  work.times = static_cast<double>(lengths.size()) / kSampledRequests;
  return work;
}

PeerWork sorted_work(std::vector<int64_t> lengths, int64_t rows) {
  std::sort(lengths.begin(), lengths.end());
  PeerWork work{fmt::format("all sorted into buckets of {}", rows), {}, 0};
  const size_t buckets = lengths.size() / static_cast<size_t>(rows);
  for (const size_t bucket : evenly(buckets, kSampledBuckets)) {
    const auto first = lengths.begin() + static_cast<std::ptrdiff_t>(bucket) * rows;
    work.sample.push_back({
        *(first + rows - 1), {first, first + rows}
    });
  }
  work.times = static_cast<double>(lengths.size()) / static_cast<double>(rows) / kSampledBuckets;
  return work;
}

Expected<double> all_requests(Peer& peer, const PeerWork& work) {
  const std::vector<double> seconds = TRY(peer.run(work.sample));
  return std::accumulate(seconds.begin(), seconds.end(), 0.0) * work.times;
}

}  // namespace tessera::speed
