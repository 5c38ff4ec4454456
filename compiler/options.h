// SPDX-License-Identifier: Apache-2.0
// The options that a user gives the compiler. Names follow PopRT's command line; the rows are in
// options.def.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/option_types.h"
#include "compiler/option_values.h"
#include "ir/graph.h"
#include "program/program.h"
#include "support/expected.h"
#include "support/limits.h"
#include "support/type.h"

namespace tessera {

struct CompileOptions {
#define OPTION(type, name, usual, ...) type name = usual;
#include "compiler/options.def"
#undef OPTION
  Limits limits;  // of the import and of the compile
};

// IPUs of all replicas together, and those that one replica runs on.
int64_t all_ipus(const CompileOptions& options);
int64_t ipus_of_replica(const CompileOptions& options);
// Whether the model is cut into parts for several IPUs.
bool is_cut(const CompileOptions& options);
// Whether requests share rows by attention mask (docs/packing.md).
bool is_form_b(const CompileOptions& options);

// Where an option's value stands in the canonical text, and so in a cache key.
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
  std::string usual;  // the default's line, "" where nothing is set
  Status (*parse)(const OptionWords& words, CompileOptions& options);
  OptionWords (*lines)(const CompileOptions& options);
  Status (*check)(const CompileOptions& options);
};
// The rows of options.def, in its order.
const std::vector<OptionRow>& option_rows();
const OptionRow* find_option(std::string_view name);  // null if there is none
// By PopRT's name in CompilerOptions. An unknown name is a Usage error that lists the known ones.
Expected<const OptionRow*> find_compiler_option(const std::string& name);

// Usage errors name the option, what it is and what it must be.
Status check_options(const CompileOptions& options);
// That several IPUs, where there are, have something to do: of a compile, not of one option.
Status check_use_of_ipus(const CompileOptions& options);
// By name, in the order of the rows. Equal options give equal values; those of which nothing that
// is made depends (dump_passes, limits) are not among them.
OptionValues option_values(const CompileOptions& options);
// The canonical text: option_text of these.
std::string to_string(const CompileOptions& options);
// The flags of a command line that asks for these values: "--precision", "fp16", …. Defaults are
// left out, and names that no row has.
OptionWords flag_words(const OptionValues& values);

}  // namespace tessera
