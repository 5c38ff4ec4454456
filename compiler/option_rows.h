// SPDX-License-Identifier: Apache-2.0
// The rows of options.def, for all who read options from words or write them: the command line,
// Python, cache keys, advice.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/option_text.h"
#include "compiler/option_values.h"
#include "compiler/options.h"
#include "support/expected.h"

namespace tessera {

// The place of an option's value in the canonical text, and so in a cache key.
enum class OptionPlace : uint8_t {
  Inputs,   // always; the key has it in the signature of the inputs
  Always,   // also where it is the default
  IfSet,    // where it is not the default
  Host,     // where any option of this place is not its default
  Target,   // always; an ingredient of the key by itself
  Nowhere,  // changes nothing of what is made
};

struct OptionRow {
  std::string_view name;
  OptionKind kind;
  OptionPlace place;
  std::string_view converter, compiler;  // PopRT's names, "" if it has none
  std::string_view help;
  std::string usual;    // the default's line, "" where nothing is set
  OptionWords choices;  // all words that it takes, of an option of a few words
  Status (*parse)(const OptionWords& words, CompileOptions& options);
  OptionWords (*lines)(const CompileOptions& options);
  Status (*check)(const CompileOptions& options);
};
// The rows of options.def, in its order.
const std::vector<OptionRow>& option_rows();
const OptionRow* find_option(std::string_view name);  // null if there is none
// By PopRT's name in CompilerOptions. An unknown name is a Usage error that lists the known ones.
Expected<const OptionRow*> find_compiler_option(const std::string& name);

// By name, in the order of the rows. Equal options give equal values; those of which nothing that
// is made depends (dump_passes, limits) are not among them.
OptionValues option_values(const CompileOptions& options);
// The flags of a command line that asks for these values: "--precision", "fp16", …. Defaults are
// left out, and names that no row has.
OptionWords flag_words(const OptionValues& values);

}  // namespace tessera
