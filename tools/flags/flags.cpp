// SPDX-License-Identifier: Apache-2.0
#include "tools/flags/flags.h"

#include <fmt/format.h>

#include "compiler/option_rows.h"
#include "compiler/option_text.h"

namespace tessera::tools {
namespace {

using Words = std::vector<std::string>;

Error usage(std::string message) { return {std::move(message), ErrorKind::Usage}; }

constexpr const char* kCompilerOptions = "compiler_options";

// Whether a flag of this kind takes several words, and may stand several times.
bool takes_words(OptionKind kind) {
  switch (kind) {
    case OptionKind::Names:
    case OptionKind::Shapes:
    case OptionKind::Fields:
    case OptionKind::Target: return true;
    case OptionKind::Truth:
    case OptionKind::Whole:
    case OptionKind::Real:
    case OptionKind::Word: return false;
  }
  return false;
}

const po::value_semantic* semantic_of(const OptionRow& row) {
  if (takes_words(row.kind)) return po::value<Words>()->multitoken()->composing();
  auto* const one = po::value<std::string>()->default_value(row.usual);
  return row.kind == OptionKind::Truth ? one->implicit_value("true") : one;
}

Words words_of(const po::variable_value& value) {
  if (const auto* words = boost::any_cast<Words>(&value.value())) return *words;
  return {value.as<std::string>()};
}

// "enable_fast_reduce=true": options by PopRT's names in CompilerOptions.
Status set_compiler_options(const Words& words, CompileOptions& options) {
  for (const std::string& word : words) {
    const size_t equals = word.find('=');
    const OptionRow* row = TRY(find_compiler_option(word.substr(0, equals)));
    if (equals == std::string::npos)
      return usage(fmt::format("{}: '{}', must be NAME=VALUE", kCompilerOptions, word));
    TRY(row->parse({word.substr(equals + 1)}, options));
  }
  return {};
}

Status set_options(const po::variables_map& flags, CompileOptions& options) {
  for (const OptionRow& row : option_rows()) {
    const std::string name(row.name);
    if (flags.count(name) && !flags[name].defaulted())
      TRY(row.parse(words_of(flags[name]), options));
  }
  if (flags.count(kCompilerOptions))
    TRY(set_compiler_options(flags[kCompilerOptions].as<Words>(), options));
  return check_options(options);
}

}  // namespace

po::options_description compile_flags() {
  po::options_description flags("Compiling");
  for (const OptionRow& row : option_rows())
    flags.add_options()(row.name.data(), semantic_of(row), row.help.data());
  std::string names;
  for (const OptionRow& row : option_rows())
    if (!row.compiler.empty()) names += (names.empty() ? "" : ", ") + std::string(row.compiler);
  flags.add_options()(kCompilerOptions, po::value<Words>()->multitoken()->composing(),
                      ("NAME=VALUE …, by PopRT's names: " + names).c_str());
  flags.add_options()("trust_folder", po::value<Words>()->multitoken()->composing(),
                      "folders in which a model's external data may lie where links lead there; "
                      "its own, and in a Hugging Face cache the blobs, are trusted");
  return flags;
}

Expected<CompileOptions> compile_options(const po::variables_map& flags) {
  CompileOptions options;
  const Status good = set_options(flags, options);
  if (!good) return Error{"--" + good.error().message, good.error().kind};
  options.limits = TRY(limits_of(flags));
  if (flags.count("trust_folder"))
    options.limits.trusted_folders = flags["trust_folder"].as<Words>();
  return options;
}

Expected<InputShapes> parse_shapes(const Words& words) {
  InputShapes shapes;
  TRY(parse_option("--input_shape", words, shapes));
  return shapes;
}

po::options_description machine_flags() {
  po::options_description flags("Running");
  flags.add_options()("threads", po::value<int>()->default_value(0),
                      "host threads; 0: one per core")(
      "isolated", po::bool_switch(),
      "give every tile a memory of its own and really copy each exchange: slow, for doubters");
  return flags;
}

Expected<MachineOptions> machine_options(const po::variables_map& flags) {
  MachineOptions machine;
  machine.threads = flags["threads"].as<int>();
  machine.kind = flags["isolated"].as<bool>() ? MachineKind::Isolated : MachineKind::Direct;
  machine.limits = TRY(limits_of(flags));
  return machine;
}

}  // namespace tessera::tools
