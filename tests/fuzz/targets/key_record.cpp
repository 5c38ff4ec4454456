// SPDX-License-Identifier: Apache-2.0
// The record beside an executable in the disk cache. Mutants have the right SHA-256, as one has
// that somebody wrote.
#include "session/key_record.h"

#include "compiler/option_values.h"
#include "session/key.h"
#include "support/sha256.h"
#include "tests/fuzz/json_mutator.h"
#include "tests/fuzz/target.h"
#include "tests/fuzz/text_mutator.h"

namespace tessera::fuzz {

void run(std::string_view input) {
  const auto record = parse_record(std::string(input));
  if (!record) return demand(!record.error().message.empty(), "an error without words");
  note("read");
  const std::string text = to_text(*record);
  const auto again = parse_record(text);
  demand(again.ok() && to_text(*again) == text, "written and read, it is another");
  demand(compare_keys(record->key, again->key).causes.empty(), "it is unlike itself");
  shapes_of(record->key);
}

std::string mutate(std::string_view input, Random& random) {
  if (random.one_in(16)) return mutate_text(input, random);
  if (auto record = parse_record(std::string(input)); record.ok() && random.one_in(2)) {
    for (std::string* const text : {&record->model, &record->key.graph, &record->key.compiler})
      if (random.one_in(4)) *text = mutate_text(*text, random);
    for (OptionValues* const values : {&record->key.options, &record->key.target})
      for (OptionValue& value : *values)
        if (random.one_in(4)) value.value = mutate_text(value.value, random);
    for (InputSignature& input_of : record->key.inputs) {
      if (random.one_in(4)) input_of.name = mutate_text(input_of.name, random);
      for (int64_t& size : input_of.shape)
        if (random.one_in(4)) size = other_number(size, random);
    }
    set_digests(record->key);
    return to_text(*record);
  }
  const std::string_view line = input.substr(0, std::min(input.find('\n'), input.size()));
  const std::string changed = mutate_json(line, random) + "\n";
  return changed + to_hex(sha256(changed)) + "\n";
}

}  // namespace tessera::fuzz
