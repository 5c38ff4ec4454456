// SPDX-License-Identifier: Apache-2.0
// Programs, as text or as the message of an executable file. A Program that the verifier lets pass
// is priced, printed, and carried out in every way there is.
#include "codelets/codelet.h"
#include "cost/cost.h"
#include "program/messages.h"
#include "program/text.h"
#include "program/verify.h"
#include "tests/fuzz/machines.h"
#include "tests/fuzz/target.h"
#include "tests/program/mutate.h"

namespace tessera::fuzz {
namespace {

Expected<Program> program_of(std::string_view input) {
  if (input.starts_with("program ")) return parse_program(input);
  return program_from(std::as_bytes(std::span(input)));
}

void demand_fixed_forms(const Program& program) {
  const std::string text = print(program);
  const auto again = parse_program(text);
  demand(again.ok() && print(*again) == text, "printed and parsed, it is another");
  const std::string bytes = to_bytes(program);
  const auto read = program_from(std::as_bytes(std::span(bytes)));
  demand(read.ok() && to_bytes(*read) == bytes, "written and read, it is another");
}

// As if the first input with rows were the cells of a batch, whatever the Program does with them.
void pretend_rows(Executable& executable) {
  for (const VariableId id : executable.program.inputs) {
    const Shape& shape = executable.program.variables[static_cast<size_t>(id)].shape;
    if (shape.size() < 2 || shape[0] < 2) continue;
    executable.metadata.packing.form = PackingForm::B;
    executable.metadata.packing.rows = shape[0];
    executable.metadata.packing.row_length = shape[1];
    return note("has rows");
  }
}

}  // namespace

void run(std::string_view input) {
  auto program = program_of(input);
  if (!program || !verify_program(*program, check_compute_set)) return;
  note("verified");
  demand_fixed_forms(*program);
  if (!is_small(*program)) return;
  demand(program->supersteps.empty() || program_cost(*program).total.value > 0, "it takes no time");
  demand(!program_memory(*program).peak_by_tile.empty(), "it has no tiles");
  const uint64_t seed = digest_of(input);
  auto executable = std::make_shared<Executable>();
  executable->program = program.take();
  executable->constants = random_constants(executable->program, seed);
  pretend_rows(*executable);
  compare_machines(executable, seed);
}

std::string mutate(std::string_view input, Random& random) {
  auto program = program_of(input);
  if (!program) return mutate_bytes(input, random);
  for (size_t changes = 1 + random.below(3); changes > 0; --changes)
    mutate_program(*program, random);
  return to_bytes(*program);
}

}  // namespace tessera::fuzz
