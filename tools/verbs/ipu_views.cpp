// SPDX-License-Identifier: Apache-2.0
#include "tools/verbs/ipu_views.h"

#include <algorithm>

#include "cost/by_ipu.h"
#include "cost/links.h"
#include "cost/pipeline.h"
#include "support/human.h"
#include "tools/print/print.h"

namespace tessera::tools {
namespace {

void print_pipeline(const Profiled& is) {
  const PipelineCost pipeline = pipeline_cost(is.program, is.cost.steps);
  const int64_t stages = std::ssize(pipeline.stages);
  if (stages == 1) return;
  const int64_t batches = is.program.host.batches_per_step;
  print("pipeline   {} stages, {} ticks of {} cycles for {} batches\n", stages,
        pipeline.ticks(batches), human_count(static_cast<int64_t>(pipeline.tick.value)), batches);
  for (size_t s = 0; s < pipeline.stages.size(); ++s) {
    const StageCost& stage = pipeline.stages[s];
    print("  stage {:<3} IPU {:<3} {:>14} cycles, and {} for what comes over links\n", s, stage.ipu,
          human_count(static_cast<int64_t>(stage.work.value)),
          human_count(static_cast<int64_t>(stage.links.value)));
  }
}

}  // namespace

void print_ipus(const Profiled& is) {
  const Target& target = is.program.target;
  if (target.ipus == 1) return;
  print("ipus       {} in a ring, {:.1f} GB/s to each neighbour\n", target.ipus,
        neighbour_bytes_per_second(target) / 1e9);
  for (const IpuUse& ipu : uses_of_ipus(is.program, is.cost, is.memory))
    print("  IPU {:<3} {:>9} of {} bytes on tile {}; {:>12} cycles in {} supersteps\n", ipu.ipu,
          human_count(ipu.peak_bytes), human_count(target.bytes_per_tile), ipu.fullest.value,
          human_count(static_cast<int64_t>(ipu.cycles.value)), ipu.supersteps);
  print_pipeline(is);
  print("latency    {}, from the start of a batch to its end\n",
        human_seconds(is.cost.latency_seconds));
}

}  // namespace tessera::tools
