// SPDX-License-Identifier: Apache-2.0
// The chapter's workload through the whole of BERT-base, ours and ONNX Runtime's in turn.
#include <fmt/format.h>

#include "bench/speed/bench.h"
#include "bench/speed/ways.h"
#include "bench/speed/workload.h"

namespace tessera::speed {
namespace {

constexpr int64_t kRows = 16, kLength = 256;
constexpr const char* kSection =
    "model: BERT-base, 1,600 requests of normal(128, 128) tokens, 16x256";

// One way to answer all requests: seconds for all of them, as one round's sample says.
struct Way {
  std::string name;
  std::vector<double> seconds;  // by round
};

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
    const std::vector<int64_t> lengths = lengths_of(requests);
    for (const PeerWork& work : {padded_work(lengths, kRows, kLength), single_work(lengths),
                                 sorted_work(lengths, kRows)}) {
      ways.push_back({"ONNX Runtime, " + work.name, {}});
      contestants.emplace_back([&bench, work, peer = *peer]() -> Expected<double> {
        bench.progress("ONNX Runtime, " + work.name);
        return all_requests(*peer, work);
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
