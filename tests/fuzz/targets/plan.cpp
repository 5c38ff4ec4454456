// SPDX-License-Identifier: Apache-2.0
// Packing plans: what is read keeps its promises, and is written and read again to the same.
#include "packing/plan.h"

#include "packing/picture.h"
#include "support/file.h"
#include "tests/fuzz/json_mutator.h"
#include "tests/fuzz/target.h"

namespace tessera::fuzz {

void run(std::string_view input) {
  const auto plan = read_plan(file_of(input, ".json"));
  if (!plan) return demand(!plan.error().message.empty(), "an error without words");
  note("read");
  demand(check_plan(*plan).ok(), "a plan was read that is not sound");
  const std::vector<PlanPlace> places = inverse_of(*plan);
  demand(std::ssize(places) == plan->requests, "a request has no place");
  if (!plan->batches.empty() && plan->contract.rows <= 64)
    draw_batch(plan->contract, plan->batches[0], {.width = 64});
  const std::string path = folder() + "/again.json", twice = folder() + "/twice.json";
  demand(write_plan(path, *plan).ok(), "what was read cannot be written");
  const auto again = read_plan(path);
  demand(again.ok(), "what was written cannot be read");
  demand(
      write_plan(twice, *again).ok() && read_text_file(path).take() == read_text_file(twice).take(),
      "written and read, it is another");
}

std::string mutate(std::string_view input, Random& random) { return mutate_json(input, random); }

}  // namespace tessera::fuzz
