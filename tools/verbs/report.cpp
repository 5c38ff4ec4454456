// SPDX-License-Identifier: Apache-2.0
// tessera report: all that is known of executables, logs, records and bench results, as one page.
#include "report/report.h"

#include <fmt/format.h>

#include <algorithm>

#include "codelets/codelet.h"
#include "compiler/compile.h"
#include "compiler/option_rows.h"
#include "compiler/ways_out.h"
#include "program/popef.h"
#include "support/file.h"
#include "support/human.h"
#include "support/lines.h"
#include "support/plain_text.h"
#include "tools/flags/flags.h"
#include "tools/flags/stranger_flags.h"
#include "tools/print/print.h"
#include "tools/verbs/report_inputs.h"
#include "tools/verbs/verb.h"

namespace tessera::tools {
namespace {

using Words = std::vector<std::string>;

po::options_description report_flags() {
  po::options_description files("Reporting");
  files.add_options()(
      "inputs", po::value<Words>(),
      "executables, events of sessions, records of online runs, plans of tessera pack, results "
      "of bench, pack or pack tune with --json, or a model, which is compiled; a second "
      "executable or events file is held against the first")(
      "events", po::value<std::string>(), "events of sessions (--events of tessera run)")(
      "record", po::value<std::string>(), "an online run (--record of tessera bench --online)")(
      "bench", po::value<std::string>(), "a result of tessera bench --json")(
      "against", po::value<std::string>(),
      "an executable or events that the first is held against: before is the first, after is this")(
      "output,o", po::value<std::string>()->default_value("report.html"), "the page to write")(
      "json", po::bool_switch(), "print the page's data as JSON, and write no page");
  po::options_description all;
  all.add(files).add(compile_flags()).add(signature_flags()).add(limit_flags());
  return all;
}

// The files on the command line, in the order in which they are reported.
Words inputs_of(const po::variables_map& flags) {
  Words paths = flags.count("inputs") ? flags["inputs"].as<Words>() : Words();
  for (const char* name : {"events", "record", "bench", "against"})
    if (flags.count(name)) paths.push_back(flags[name].as<std::string>());
  return paths;
}

// The command that makes this report again.
std::string command_of(const po::variables_map& flags, const CompileOptions& options) {
  std::string command = "tessera report";
  const Words inputs = flags.count("inputs") ? flags["inputs"].as<Words>() : Words();
  for (const std::string& input : inputs) command += " " + shell_word(input);
  for (const char* name : {"events", "record", "bench", "against"})
    if (flags.count(name))
      command += fmt::format(" --{} {}", name, shell_word(flags[name].as<std::string>()));
  if (std::ranges::any_of(inputs, [](const auto& path) { return path.ends_with(".onnx"); }))
    for (const std::string& word : flag_words(option_values(options)))
      command += " " + shell_word(word);
  return command + " -o " + shell_word(flags["output"].as<std::string>());
}

// Each named flag is about a file of one kind.
Status check_kinds(const po::variables_map& flags) {
  const std::pair<const char*, InputKind> wanted[] = {
      {"events", InputKind::Events},
      {"record", InputKind::Record},
      {"bench",  InputKind::Bench }
  };
  for (const auto& [name, kind] : wanted) {
    if (!flags.count(name)) continue;
    const auto path = flags[name].as<std::string>();
    const InputKind is = TRY(kind_of(path));
    if (is != kind)
      return Error{
          fmt::format("--{}: {} is {}, must be {}", name, path, to_words(is), to_words(kind)),
          ErrorKind::Usage};
  }
  return {};
}

// A flag that nothing on the command line can use is an error.
Status refuse_idle_flags(const po::variables_map& flags, const std::vector<InputKind>& kinds) {
  const auto has = [&](InputKind kind) { return std::ranges::find(kinds, kind) != kinds.end(); };
  if (flags["json"].as<bool>() && !flags["output"].defaulted())
    return Error{"--output: is for a page, must be left out with --json", ErrorKind::Usage};
  if (flags.count("require_signature") && !has(InputKind::Executable))
    return Error{"--require_signature: is for executables, must be left out where none is loaded",
                 ErrorKind::Usage};
  if (has(InputKind::Model)) return {};
  const po::options_description compiling = compile_flags();
  for (const auto& flag : compiling.options()) {
    const std::string& name = flag->long_name();
    if (flags.count(name) && !flags[name].defaulted())
      return Error{
          fmt::format("--{}: is for a model, must be left out where none is compiled", name),
          ErrorKind::Usage};
  }
  return {};
}

Status do_report(const po::variables_map& flags) {
  const Words paths = inputs_of(flags);
  if (paths.empty())
    return Error{
        "report: no input, must be MODEL.popef, events, a record, a plan or a bench result",
        ErrorKind::Usage};
  TRY(check_kinds(flags));
  std::vector<InputKind> kinds;
  for (const std::string& path : paths) kinds.push_back(TRY(kind_of(path)));
  TRY(refuse_idle_flags(flags, kinds));
  const CompileOptions options = TRY(compile_options(flags));
  ReportInputs inputs;
  inputs.command = command_of(flags, options);
  inputs.version = TESSERA_VERSION;
  for (const std::string& path : paths)
    TRY(add_input(path, options, TRY(required_key(flags)), inputs));
  const nlohmann::ordered_json document = TRY(report_document(inputs));
  if (flags["json"].as<bool>()) {
    print_json(document, 1);
    return {};
  }
  const auto output = flags["output"].as<std::string>();
  const std::string page = report_page(document);
  TRY(write_file_atomic(output, page));
  print("{}: {}, open it in a browser; it needs no network\n", output,
        human_bytes(static_cast<int64_t>(page.size())));
  return {};
}

}  // namespace

Verb report_verb() {
  return {"write what is known of executables, compiles and batches as one page for a browser",
          "MODEL.popef | EVENTS.jsonl | RECORD.jsonl | PLAN.json | BENCH.json | MODEL.onnx "
          "[--against OTHER] "
          "-o report.html",
          "tessera report bert.popef --events events.jsonl -o report.html\n"
          "  tessera report padded.popef packed.popef -o differences.html",
          report_flags,
          "inputs",
          do_report};
}

}  // namespace tessera::tools
