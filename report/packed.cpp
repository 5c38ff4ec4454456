// SPDX-License-Identifier: Apache-2.0
#include "report/packed.h"

#include <algorithm>
#include <map>
#include <utility>

#include "packing/batch_packer.h"
#include "packing/comparison.h"
#include "packing/occupancy.h"
#include "packing/workload.h"
#include "serving/latencies.h"
#include "serving/replay.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

// Batches whose placements are drawn; the series are of more.
constexpr size_t kMostDrawn = 200, kMostBatches = 20000;

// `most_requests` is 0 where only tokens limit a batch.
Json sizes_json(const PackingContract& contract) {
  const bool is_limited = contract.form == PackingForm::None || contract.max_valid_num > 0;
  return {
      {"form",          to_string(contract.form)                },
      {"rows",          contract.rows                           },
      {"row_length",    contract.row_length                     },
      {"most_requests", is_limited ? most_requests(contract) : 0}
  };
}

// [[start, length], …]
Json placements_json(const PackedBatch& batch) {
  Json placements = Json::array();
  for (const Placement& placement : batch.placements)
    placements.push_back({placement.start, placement.length});
  return placements;
}

// [[start, length, request], …]
Json planned_json(const PackedBatch& batch) {
  Json placements = Json::array();
  for (const Placement& placement : batch.placements)
    placements.push_back({placement.start, placement.length, placement.request});
  return placements;
}

Json occupancy_json(const Occupancy& occupancy) {
  return {
      {"batches",       occupancy.batches       },
      {"requests",      occupancy.requests      },
      {"tokens",        occupancy.tokens        },
      {"token_fill",    occupancy.token_fill()  },
      {"segment_fill",  occupancy.segment_fill()},
      {"least_batches", occupancy.least_batches }
  };
}

// When each batch was done: the machine ends them in the order of their closing.
std::vector<Time> ends_of(const std::vector<FormerEvent>& events) {
  std::vector<Time> ends;
  for (const FormerEvent& event : events)
    if (event.kind == FormerEvent::Kind::Done) ends.push_back(event.now);
  return ends;
}

Json percentiles_json(std::vector<double> seconds) {
  const Latencies latencies(std::move(seconds));
  return {
      {"p50", latencies.at(0.5) },
      {"p90", latencies.at(0.9) },
      {"p99", latencies.at(0.99)},
      {"max", latencies.at(1)   }
  };
}

double in_seconds(Time time) { return std::chrono::duration<double>(time).count(); }

Json batch_json(const FormedBatch& batch, const std::vector<Time>& ends, bool is_drawn,
                std::vector<double>& latencies) {
  const auto number = static_cast<size_t>(batch.number);
  std::vector<double> own;
  Time oldest = batch.at;
  for (const FormedBatch::Rider& rider : batch.riders) {
    oldest = std::min(oldest, rider.since);
    if (number < ends.size()) own.push_back(in_seconds(ends[number] - rider.since));
  }
  latencies.insert(latencies.end(), own.begin(), own.end());
  Json json = {
      {"at",       in_seconds(batch.at)            },
      {"reason",   to_string(batch.reason)         },
      {"requests", batch.riders.size()             },
      {"tokens",   batch.packed.tokens             },
      {"waiting",  batch.riders.size() + batch.left},
      {"oldest",   in_seconds(batch.at - oldest)   },
      {"latency",  percentiles_json(std::move(own))}
  };
  if (number < ends.size()) json["done"] = in_seconds(ends[number]);
  if (is_drawn) json["placements"] = placements_json(batch.packed);
  return json;
}

}  // namespace

Expected<Json> run_json(const ReportedRun& reported) {
  const RecordedRun& run = reported.run;
  auto replayed = replay(run.contract, run.config, run.events, {}, run.limits);
  if (!replayed)
    return Error{reported.file + ": " + replayed.error().message, replayed.error().kind,
                 replayed.error().type};
  const std::vector<FormedBatch> batches = replayed.take();
  const std::vector<Time> ends = ends_of(run.events);
  std::vector<double> latencies;
  std::vector<PackedBatch> packed;
  std::map<std::string, int64_t> reasons;
  Json listed = Json::array();
  for (const FormedBatch& batch : batches) {
    packed.push_back(batch.packed);
    ++reasons[std::string(to_string(batch.reason))];
    Json one = batch_json(batch, ends, listed.size() < kMostDrawn, latencies);
    if (listed.size() < kMostBatches) listed.push_back(std::move(one));
  }
  Json sizes = sizes_json(run.contract);
  if (run.config.max_valid_num > 0) sizes["most_requests"] = run.config.max_valid_num;
  return Json{
      {"file", reported.file},
      {"batch", batch_words(run.contract)},
      {"sizes", sizes},
      {"policy", to_string(run.config.rule.policy)},
      {"timeout", in_seconds(run.config.timeout)},
      {"occupancy", occupancy_json(occupancy(run.contract, packed))},
      {"closed_for", reasons},
      {"latency", percentiles_json(std::move(latencies))},
      {"batches", listed}
  };
}

Json plan_json(const ReportedPlan& reported) {
  const PackPlan& plan = reported.plan;
  Json listed = Json::array();
  for (const PackedBatch& batch : plan.batches) {
    if (listed.size() == kMostBatches) break;
    Json one = {
        {"requests", batch.placements.size()},
        {"tokens",   batch.tokens           }
    };
    if (listed.size() < kMostDrawn) one["placements"] = planned_json(batch);
    listed.push_back(std::move(one));
  }
  return {
      {"file", reported.file},
      {"batch", batch_words(plan.contract)},
      {"sizes", sizes_json(plan.contract)},
      {"policy", to_string(plan.rule.policy)},
      {"occupancy", occupancy_json(occupancy(plan.contract, plan.batches))},
      {"batches", listed}
  };
}

Json example_json(const PackingContract& contract) {
  const bool one_a_batch =
      contract.form == PackingForm::None && contract.request_size == RequestSize::Batch;
  if (one_a_batch || !check_contract(contract).ok()) return {};
  WorkloadOptions options;
  options.longest = longest_request(contract);
  options.average = static_cast<double>(options.longest) / 2;
  options.count = std::min<int64_t>(most_requests(contract), 4096);
  const Expected<std::vector<int64_t>> lengths = synthetic_lengths(options);
  if (!lengths.ok()) return {};
  std::vector<Candidate> waiting;
  for (size_t i = 0; i < lengths->size(); ++i) waiting.push_back({i, (*lengths)[i]});
  BatchPacker packer(contract, PackPolicy::FirstFit);
  packer.fill(waiting);
  const std::vector<PackedBatch> batches{packer.batch()};
  return {
      {"sizes", sizes_json(contract)},
      {"mean", options.average},
      {"longest", options.longest},
      {"policy", to_string(PackPolicy::FirstFit)},
      {"occupancy", occupancy_json(occupancy(contract, batches))},
      {"placements", placements_json(packer.batch())}
  };
}

}  // namespace tessera
