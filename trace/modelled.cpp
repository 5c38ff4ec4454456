// SPDX-License-Identifier: Apache-2.0
#include "trace/modelled.h"

#include <numeric>

namespace tessera {
namespace {

constexpr int64_t kMostNanoseconds = int64_t{1} << 62;  // an executable may say any clock

class Modelled {
 public:
  Modelled(TrackEvents& events, const Profiled& is)
      : events_(events),
        is_(is),
        process_(events.process(0, "modelled IPU (" + is.program.target.name + ")")),
        operations_(events.row(process_, "operations")),
        sync_(events.row(process_, "sync")),
        rearrange_(events.row(process_, "rearrange")),
        exchange_(events.row(process_, "exchange")),
        compute_(events.row(process_, "compute")),
        host_(events.row(process_, "host I/O")),
        fullest_(events.counter(
            process_, "live memory, tile " + std::to_string(is.memory.fullest.value) + " (fullest)",
            CounterUnit::Bytes)),
        all_tiles_(events.counter(process_, "live memory, all tiles", CounterUnit::Bytes)),
        always_live_(std::accumulate(is.memory.always_live_by_tile.begin(),
                                     is.memory.always_live_by_tile.end(), int64_t{0})) {}

  void run() {
    const auto& steps = is_.program.supersteps;
    for (size_t first = 0; first < steps.size();) {
      size_t last = first + 1;
      while (last < steps.size() && same_operation(steps[first], steps[last])) ++last;
      add_operation(first, last);
      first = last;
    }
    if (!steps.empty()) add_memory(steps.size() - 1);  // up to where it ends
    events_.begin(host_, now(), "host I/O",
                  {
                      {"seconds", is_.cost.host_seconds}
    });
    events_.end(host_, now(is_.cost.host_seconds));
  }

 private:
  int64_t now(double later = 0) const {
    const double at =
        static_cast<double>(cycles_) * 1e9 / is_.program.target.clock_hz + later * 1e9;
    return at < static_cast<double>(kMostNanoseconds) ? static_cast<int64_t>(at) : kMostNanoseconds;
  }

  // Supersteps that the compiler adds come from no node, and are told apart by their codelets.
  static bool same_operation(const Superstep& a, const Superstep& b) {
    return a.origin == b.origin && (!a.origin.empty() || a.compute.codelet == b.compute.codelet);
  }
  // Supersteps in a row that come from the same ONNX nodes.
  void add_operation(size_t first, size_t last) {
    CycleLine all;
    for (size_t i = first; i < last; ++i) all.add(is_, i);
    const Superstep& step = is_.program.supersteps[first];
    events_.begin(operations_, now(), nodes_of(step),
                  {
                      {"onnx_nodes", step.origin                      },
                      {"cycles",     static_cast<int64_t>(all.total())},
                      {"supersteps", all.supersteps                   }
    });
    for (size_t i = first; i < last; ++i) add_superstep(i);
    events_.end(operations_, now());
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
    add_part(sync_, cost.sync, "sync", of_all);
    add_part(rearrange_, cost.rearrange, step.name, of_all);
    add_part(exchange_, cost.exchange, step.name,
             with({
                 {"bytes",             cost.exchange_bytes   },
                 {"messages",          cost.messages         },
                 {"max_bytes_to_tile", cost.max_receive_bytes}
    }));
    add_part(compute_, cost.compute, step.name,
             with({
                 {"codelet",      step.compute.codelet           },
                 {"vertices",     vertex_count(step.compute.grid)},
                 {"active_tiles", cost.active_tiles              },
                 {"balance",      cost.balance                   }
    }));
    events_.end(operations_, now());
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
  }

  TrackEvents& events_;
  const Profiled& is_;
  const Track process_, operations_, sync_, rearrange_, exchange_, compute_, host_, fullest_,
      all_tiles_;
  const int64_t always_live_;
  uint64_t cycles_ = 0;  // since the batch began
};

}  // namespace

void add_modelled(TrackEvents& events, const Profiled& profiled) {
  Modelled(events, profiled).run();
}

}  // namespace tessera
