// SPDX-License-Identifier: Apache-2.0
// The chapter's workload through the whole of BERT-base, ours and ONNX Runtime's in turn.
//
// All 1,600 requests would take ten minutes a way, so every way answers a sample that stands for
// them: requests evenly spaced in the order of their lengths, packed batches evenly spaced among
// those that all 1,600 need. A figure is what all 1,600 would take: the mean over the sample times
// their number. Every way is compared on the same requests, and none is credited with padding.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "bench/speed/bench.h"
#include "bench/speed/workload.h"
#include "serving/batch_runner.h"

namespace tessera::speed {
namespace {

constexpr int64_t kRows = 16, kLength = 256;
constexpr size_t kSampledRequests = 16, kSampledBuckets = 4;
constexpr const char* kSection =
    "model: BERT-base, 1,600 requests of normal(128, 128) tokens, 16x256";

// Of n things, `count` that stand in the middle of equal parts.
std::vector<size_t> evenly(size_t n, size_t count) {
  std::vector<size_t> chosen;
  for (size_t i = 0; i < count; ++i) chosen.push_back((2 * i + 1) * n / (2 * count));
  return chosen;
}

double sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

// One way to answer all requests: seconds for all of them, as one round's sample says.
struct Way {
  std::string name;
  std::vector<double> seconds;  // by round
};

class Ours {
 public:
  static Expected<std::unique_ptr<Ours>> load(const std::string& popef, int threads,
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

  size_t batches() const { return batches_.size(); }
  // Packing the inputs, the run and handing out answers; a full batch from the middle of the work.
  Expected<double> all_requests() {
    const double seconds = TRY(timed([&]() -> Status {
      TRY(batch_runner_->run(batches_[batches_.size() / 2], requests_, 0));
      return {};
    }));
    return seconds * static_cast<double>(batches_.size());
  }

 private:
  Ours() = default;
  std::unique_ptr<ModelRunner> runner_;
  std::unique_ptr<BatchRunner> batch_runner_;
  std::vector<const Request*> requests_;
  std::vector<PackedBatch> batches_;
};

// What the peer is asked for in each of its three modes, and how much of the whole that is.
struct PeerWork {
  std::string name;
  std::vector<PeerBatch> sample;
  double times = 0;  // the sample, to make all requests
};

std::vector<PeerWork> peer_work(std::vector<int64_t> lengths) {
  PeerWork padded{"padded to 16x256", {{kLength, {}}}, 0};
  for (const size_t i : evenly(lengths.size(), kRows))
    padded.sample[0].lengths.push_back(lengths[i]);
  padded.times = static_cast<double>(lengths.size()) / kRows;

  std::sort(lengths.begin(), lengths.end());
  PeerWork single{"each at its own length", {}, 0};
  for (const size_t i : evenly(lengths.size(), kSampledRequests))
    single.sample.push_back({lengths[i], {lengths[i]}});
  single.times = static_cast<double>(lengths.size()) / kSampledRequests;

  PeerWork sorted{"all sorted into buckets of 16", {}, 0};
  const size_t buckets = lengths.size() / kRows;
  for (const size_t bucket : evenly(buckets, kSampledBuckets)) {
    const auto first = lengths.begin() + static_cast<std::ptrdiff_t>(bucket * kRows);
    sorted.sample.push_back({
        *(first + kRows - 1), {first, first + kRows}
    });
  }
  sorted.times = static_cast<double>(buckets) / kSampledBuckets;
  return {padded, single, sorted};
}

struct Goal {
  size_t ours, peer;
  std::optional<double> at_least;
};
constexpr size_t kPadded = 0, kFormA = 1, kFormB = 2;  // ours
const Goal kGoals[] = {
    {kFormB,  0, 2.4 },
    {kFormB,  1, 1.2 },
    {kFormB,  2, 1.1 },
    {kFormA,  0, 2.0 },
    {kPadded, 0, 1.15},
    {kPadded, 1, {}  }
};

void add_speeds(Table& table, const std::vector<Way>& ways, double requests) {
  for (const Way& way : ways) {
    std::vector<double> rates;
    for (const double seconds : way.seconds) rates.push_back(requests / seconds);
    table.add({.section = kSection,
               .what = way.name,
               .unit = "samples/s",
               .is = spread_of(rates),
               .goal = {},
               .note = "host"});
  }
}

}  // namespace

Status run_model(Bench& bench) {
  const std::string model = TRY(bench.bert_base());
  const std::vector<Request> requests = TRY(chapter_requests());
  CompileOptions form_a = bert_options(kRows, kLength), form_b = form_a;
  form_a.pack_args = PackArgs{.max_valid_num = 40, .segment_max_size = kLength};
  form_b.passes = {"insert_attention_mask"};
  const struct {
    const char *name, *title;
    CompileOptions options;
  } executables[] = {
      {"padded", "Tessera, padded", bert_options(kRows, kLength)},
      {"packed_a", "Tessera, packed form A", form_a},
      {"packed_b", "Tessera, packed form B", form_b}
  };

  std::vector<std::unique_ptr<Ours>> ours;
  std::vector<Way> ways;
  std::vector<Contestant> contestants;
  for (const auto& [name, title, options] : executables) {
    const std::string popef = TRY(bench.executable(name, model, options));
    ours.push_back(TRY(Ours::load(popef, bench.options().threads, requests)));
    ways.push_back({fmt::format("{}: {} batches", title, ours.back()->batches()), {}});
    contestants.emplace_back([&bench, &title, run = ours.back().get()] {
      bench.progress(title);
      return run->all_requests();
    });
  }
  const Expected<Peer*> peer = bench.peer(model);
  if (peer) {
    for (PeerWork& work : peer_work(lengths_of(requests))) {
      ways.push_back({"ONNX Runtime, " + work.name, {}});
      contestants.emplace_back([&bench, work, peer = *peer]() -> Expected<double> {
        bench.progress("ONNX Runtime, " + work.name);
        return sum(TRY(peer->run(work.sample))) * work.times;
      });
    }
  }
  const auto series = TRY(alternate(bench.options().rounds, contestants));
  for (size_t i = 0; i < ways.size(); ++i) ways[i].seconds = series[i];

  add_speeds(bench.table(), ways, static_cast<double>(requests.size()));
  for (const Goal& goal : kGoals) {
    const std::string our = executables[goal.ours].title;
    const char* peers[] = {"padded", "each request alone", "sorted buckets"};
    const std::string what = fmt::format("{} / ONNX Runtime, {}", our, peers[goal.peer]);
    if (!peer) {
      bench.table().leave_out(kSection, what, peer.error().message);
      continue;
    }
    bench.table().add({.section = kSection,
                       .what = what,
                       .unit = "x",
                       .is = ratio(series[3 + goal.peer], series[goal.ours]),
                       .goal = goal.at_least,
                       .note = "samples/s, same requests"});
  }
  bench.stop_peers();
  return {};
}

}  // namespace tessera::speed
