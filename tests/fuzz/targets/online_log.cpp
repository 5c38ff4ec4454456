// SPDX-License-Identifier: Apache-2.0
// The record of an online run: read, and carried out again.
#include "serving/online_record.h"
#include "serving/replay.h"
#include "tests/fuzz/json_mutator.h"
#include "tests/fuzz/target.h"

namespace tessera::fuzz {

void run(std::string_view input) {
  const auto run = read_online_log(file_of(input, ".jsonl"));
  if (!run) return demand(!run.error().message.empty(), "an error without words");
  const auto batches = replay(run->contract, run->config, run->events);
  if (!batches) return demand(!batches.error().message.empty(), "an error without words");
  note("replayed");
  for (const FormedBatch& batch : *batches) {
    demand(batch.riders.size() == batch.packed.placements.size(), "a rider without a place");
    recorded(batch);
  }
}

std::string mutate(std::string_view input, Random& random) {
  return mutate_json_lines(input, random);
}

}  // namespace tessera::fuzz
