// SPDX-License-Identifier: Apache-2.0
// Programs as text: parsed, printed and parsed again to the same; what verifies is priced.
#include "codelets/codelet.h"
#include "cost/cost.h"
#include "program/text.h"
#include "program/verify.h"
#include "tests/fuzz/target.h"
#include "tests/fuzz/text_mutator.h"

namespace tessera::fuzz {

void run(std::string_view input) {
  const auto program = parse_program(input);
  if (!program) return demand(!program.error().message.empty(), "an error without words");
  note("parsed");
  const std::string text = print(*program);
  const auto again = parse_program(text);
  demand(again.ok(), "what was printed cannot be parsed: " +
                         (again.ok() ? std::string() : again.error().message));
  demand(print(*again) == text, "printed and parsed, it is another");
  if (!verify_program(*program, check_compute_set)) return;
  note("verified");
  program_cost(*program);
  program_memory(*program);
}

std::string mutate(std::string_view input, Random& random) { return mutate_text(input, random); }

}  // namespace tessera::fuzz
