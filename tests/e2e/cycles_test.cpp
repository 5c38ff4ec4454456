// SPDX-License-Identifier: Apache-2.0
// The cycles of a tiny BERT, superstep by superstep, as they were when somebody last looked
// (tests/e2e/cycles/*.txt): no change of the planner or of the cost model goes unseen.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "compiler/target_text.h"
#include "cost/cost.h"
#include "tests/e2e/build.h"
#include "tests/helpers/golden.h"

namespace tessera::e2e {
namespace {

std::string cycles_and_bytes(const Executable& executable) {
  const Program& program = executable.program;
  const ProgramCost cost = program_cost(program);
  const MemoryReport memory = program_memory(program);
  const size_t fullest = memory.fullest.value;
  std::string text = fmt::format(
      "{} tiles; {} cycles a batch: rearrange {}, exchange {}, compute {}, sync {}\n"
      "fullest tile {}: {} bytes in '{}', {} always live\n",
      program.target.tiles, cost.total.value, cost.rearrange.value, cost.exchange.value,
      cost.compute.value, cost.sync.value, fullest, memory.peak_by_tile[fullest],
      memory.peak_superstep, memory.always_live_by_tile[fullest]);
  text += fmt::format("{:<52} {:<16} {:>6} {:>9} {:>8} {:>8} {:>6} {:>9} {:>9}\n", "superstep",
                      "codelet", "tiles", "rearrange", "exchange", "compute", "sync", "received",
                      "live");
  for (size_t i = 0; i < cost.steps.size(); ++i) {
    const SuperstepCost& step = cost.steps[i];
    text += fmt::format("{:<52} {:<16} {:>6} {:>9} {:>8} {:>8} {:>6} {:>9} {:>9}\n",
                        program.supersteps[i].name, program.supersteps[i].compute.codelet,
                        step.active_tiles, step.rearrange.value, step.exchange.value,
                        step.compute.value, step.sync.value, step.exchange_bytes,
                        memory.live_by_superstep[i]);
  }
  return text;
}

class Cycles : public ::testing::TestWithParam<const char*> {};

TEST_P(Cycles, of_a_tiny_bert_are_as_written) {
  const std::string target = GetParam();
  CompileOptions options = options_for(4, 16, Precision::Fp16);
  options.target = parse_target({target}).take();
  const std::string place = fmt::format("e2e/cycles/{}_tiles_", options.target.tiles);
  for (const auto& [form, with] : {
           std::pair("padded", options), {"A", form_a(options, 12, 16)},
             {"B", form_b(options)}
  }) {
    const auto executable = build(tiny_bert(), with);
    ASSERT_NE(executable, nullptr);
    check_text_golden(place + form + ".txt", cycles_and_bytes(*executable));
  }
}

INSTANTIATE_TEST_SUITE_P(OnTarget, Cycles, ::testing::Values("test", "test,tiles=64"),
                         [](const auto& info) { return info.index == 0 ? "test" : "tiles_64"; });

}  // namespace
}  // namespace tessera::e2e
