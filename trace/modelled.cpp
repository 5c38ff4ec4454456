// SPDX-License-Identifier: Apache-2.0
#include "trace/modelled.h"

#include <algorithm>
#include <numeric>

#include "cost/by_ipu.h"
#include "cost/pipeline.h"
#include "program/boxes.h"

namespace tessera {
namespace {

constexpr int64_t kMostNanoseconds = int64_t{1} << 62;  // an executable may say any clock

std::string name_of_machine(const Target& target) {
  const char* what = target.ipus == 1 ? "modelled IPU" : "modelled IPUs";
  return std::string(what) + " (" + target.name + ")";
}

// The rows of one IPU.
struct Rows {
  Track process, sync, rearrange, exchange, compute;
  Rows(TrackEvents& events, Track of)
      : process(of),
        sync(events.row(of, "sync")),
        rearrange(events.row(of, "rearrange")),
        exchange(events.row(of, "exchange")),
        compute(events.row(of, "compute")) {}
};

class Modelled {
 public:
  Modelled(TrackEvents& events, const Profiled& is)
      : events_(events),
        is_(is),
        pipeline_(pipeline_cost(is.program, is.cost.steps)),
        process_(events.process(0, name_of_machine(is.program.target))),
        operations_(events.row(process_, "operations")),
        rows_(rows_of(events, is.program.target, process_)),
        host_(events.row(process_, "host I/O")),
        fullest_(events.counter(
            process_, "live memory, tile " + std::to_string(is.memory.fullest.value) + " (fullest)",
            CounterUnit::Bytes)),
        all_tiles_(events.counter(process_, "live memory, all tiles", CounterUnit::Bytes)),
        always_live_(std::accumulate(is.memory.always_live_by_tile.begin(),
                                     is.memory.always_live_by_tile.end(), int64_t{0})) {}

  void run() {
    if (rows_.size() > 1) add_ipus();
    const auto& steps = is_.program.supersteps;
    for (size_t first = 0; first < steps.size();) {
      size_t last = first + 1;
      while (last < steps.size() && same_operation(steps[first], steps[last])) ++last;
      add_operation(first, last);
      first = last;
    }
    if (pipeline_.stages.size() > 1) cycles_ = pipeline_.tick.value * pipeline_.stages.size();
    if (!steps.empty()) add_memory(steps.size() - 1);  // up to where it ends
    events_.begin(host_, now(), "host I/O",
                  {
                      {"seconds", is_.cost.host_seconds}
    });
    events_.end(host_, now(is_.cost.host_seconds));
  }

 private:
  // A single IPU has its rows in the machine's process, several each in its own.
  static std::vector<Rows> rows_of(TrackEvents& events, const Target& target, Track machine) {
    if (target.ipus == 1) return {Rows(events, machine)};
    std::vector<Rows> rows;
    for (int64_t ipu = 0; ipu < target.ipus; ++ipu)
      rows.emplace_back(events, events.process(0, "IPU " + std::to_string(ipu) + " of " +
                                                      std::to_string(target.ipus)));
    return rows;
  }

  // The bytes on the fullest tile of each IPU, and the batches that its stages work on.
  void add_ipus() {
    const std::vector<IpuUse> uses = uses_of_ipus(is_.program, is_.cost, is_.memory);
    live_of_ipus_ = live_by_ipu(is_.program, uses);
    for (const IpuUse& use : uses) {
      const Rows& rows = rows_[static_cast<size_t>(use.ipu)];
      memory_of_ipus_.push_back(events_.counter(
          rows.process, "live memory, tile " + std::to_string(use.fullest.value) + " (fullest)",
          CounterUnit::Bytes));
      if (pipeline_.stages.size() > 1) add_stages(use.ipu, events_.row(rows.process, "stages"));
    }
  }

  // The first batches of an engine run.
  void add_stages(int64_t ipu, Track row) {
    constexpr int64_t kMostBatches = 16;
    const int64_t batches = std::min(kMostBatches, is_.program.host.batches_per_step);
    for (int64_t tick = 0; tick < pipeline_.ticks(batches); ++tick) {
      cycles_ = static_cast<uint64_t>(tick) * pipeline_.tick.value;
      for (int64_t stage = 0; stage < std::ssize(pipeline_.stages); ++stage) {
        const StageCost& cost = pipeline_.stages[static_cast<size_t>(stage)];
        const int64_t batch = tick - stage;
        if (cost.ipu != ipu || batch < 0 || batch >= batches) continue;
        add_part(row, cost.work, "batch " + std::to_string(batch),
                 {
                     {"batch", batch},
                     {"stage", stage}
        });
      }
    }
    cycles_ = 0;
  }

  int64_t now(double later = 0) const {
    const double at =
        static_cast<double>(cycles_) * 1e9 / is_.program.target.clock_hz + later * 1e9;
    return at < static_cast<double>(kMostNanoseconds) ? static_cast<int64_t>(at) : kMostNanoseconds;
  }

  // Supersteps that the compiler adds come from no node, and are told apart by their codelets.
  static bool same_operation(const Superstep& a, const Superstep& b) {
    if (a.stage != b.stage) return false;
    return a.origin == b.origin && (!a.origin.empty() || a.compute.codelet == b.compute.codelet);
  }
  // Supersteps in a row that come from the same ONNX nodes.
  void add_operation(size_t first, size_t last) {
    CycleLine all;
    for (size_t i = first; i < last; ++i) all.add(is_, i);
    const Superstep& step = is_.program.supersteps[first];
    begin_stage(step.stage);
    events_.begin(operations_, now(), nodes_of(step),
                  {
                      {"onnx_nodes", step.origin                      },
                      {"cycles",     static_cast<int64_t>(all.total())},
                      {"supersteps", all.supersteps                   }
    });
    for (size_t i = first; i < last; ++i) add_superstep(i);
    events_.end(operations_, now());
  }

  // A stage of a pipeline begins a tick behind the one before.
  void begin_stage(int64_t stage) {
    if (pipeline_.stages.size() == 1) return;
    cycles_ = std::max(cycles_, static_cast<uint64_t>(stage) * pipeline_.tick.value);
  }

  // In the order in which docs/model.md sums them up.
  void add_superstep(size_t i) {
    const Superstep& step = is_.program.supersteps[i];
    const SuperstepCost& cost = is_.cost.steps[i];
    CycleLine line;
    line.add(is_, i);
    const TraceNotes of_all = {
        {"superstep",  static_cast<int64_t>(i)},
        {"op",         step.name              },
        {"onnx_nodes", step.origin            }
    };
    const auto with = [&](TraceNotes notes) {
      notes.insert(notes.begin(), of_all.begin(), of_all.end());
      return notes;
    };
    events_.begin(operations_, now(), step.name,
                  with({
                      {"codelet", step.compute.codelet              },
                      {"cycles",  static_cast<int64_t>(line.total())},
                      {"bytes",   cost.exchange_bytes               }
    }));
    add_memory(i);
    TraceNotes exchange = with({
        {"bytes",             cost.exchange_bytes   },
        {"messages",          cost.messages         },
        {"max_bytes_to_tile", cost.max_receive_bytes}
    });
    if (rows_.size() > 1) {
      exchange.push_back({"link_cycles", static_cast<int64_t>(cost.links.value)});
      exchange.push_back({"link_bytes", cost.link_bytes});
    }
    const Range ipus = ipus_of(step.compute.grid, is_.program.target);
    add_parts(&Rows::sync, ipus, cost.sync, "sync", of_all);
    add_parts(&Rows::rearrange, ipus, cost.rearrange, step.name, of_all);
    add_parts(&Rows::exchange, ipus, cost.exchange, step.name, exchange);
    add_parts(&Rows::compute, ipus, cost.compute, step.name,
              with({
                  {"codelet",      step.compute.codelet           },
                  {"vertices",     vertex_count(step.compute.grid)},
                  {"active_tiles", cost.active_tiles              },
                  {"balance",      cost.balance                   }
    }));
    events_.end(operations_, now());
  }

  // At the same time on all of those IPUs.
  void add_parts(Track Rows::* row, const Range& ipus, Cycles cycles, const std::string& name,
                 const TraceNotes& notes) {
    const uint64_t begin = cycles_;
    for (int64_t ipu = ipus.begin; ipu < ipus.end; ++ipu) {
      cycles_ = begin;
      add_part(rows_[static_cast<size_t>(ipu)].*row, cycles, name, notes);
    }
  }

  void add_part(Track track, Cycles cycles, const std::string& name, TraceNotes notes) {
    if (cycles.value == 0) return;
    notes.push_back({"cycles", static_cast<int64_t>(cycles.value)});
    events_.begin(track, now(), name, notes);
    cycles_ += cycles.value;
    events_.end(track, now());
  }

  void add_memory(size_t step) {
    events_.count(fullest_, now(), is_.memory.fullest_by_superstep[step].total());
    events_.count(all_tiles_, now(), always_live_ + is_.memory.live_by_superstep[step]);
    for (size_t ipu = 0; ipu < memory_of_ipus_.size(); ++ipu)
      events_.count(memory_of_ipus_[ipu], now(), live_of_ipus_[ipu][step]);
  }

  TrackEvents& events_;
  const Profiled& is_;
  const PipelineCost pipeline_;
  const Track process_, operations_;
  const std::vector<Rows> rows_;  // by IPU
  const Track host_, fullest_, all_tiles_;
  std::vector<Track> memory_of_ipus_;
  std::vector<std::vector<int64_t>> live_of_ipus_;  // by superstep: bytes on the fullest tile
  const int64_t always_live_;
  uint64_t cycles_ = 0;  // since the batch began
};

}  // namespace

void add_modelled(TrackEvents& events, const Profiled& profiled) {
  Modelled(events, profiled).run();
}

}  // namespace tessera
