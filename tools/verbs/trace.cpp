// SPDX-License-Identifier: Apache-2.0
// tessera trace: an executable's modelled batch, an online run and sessions' events as one trace
// for Perfetto.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "codelets/codelet.h"
#include "program/popef.h"
#include "program/read_popef.h"
#include "support/file.h"
#include "support/human.h"
#include "tools/flags/flags.h"
#include "tools/flags/stranger_flags.h"
#include "tools/print/print.h"
#include "tools/verbs/report_inputs.h"
#include "tools/verbs/verb.h"
#include "trace/host.h"
#include "trace/modelled.h"

namespace tessera::tools {
namespace {

po::options_description trace_flags() {
  po::options_description flags("Tracing");
  flags.add_options()("executable", po::value<std::string>(), "the .popef file")(
      "record", po::value<std::string>(),
      "an online run, as 'tessera bench --online --record' writes it")(
      "events", po::value<std::string>(), "sessions' events, as --events writes them")(
      "output,o", po::value<std::string>(), "the trace to write")("json", po::bool_switch(),
                                                                  "print the summary as JSON");
  po::options_description all;
  all.add(flags).add(signature_flags()).add(limit_flags());
  return all;
}

Status trace_executable(const po::variables_map& flags, const Limits& limits, TrackEvents& trace) {
  const PopefFile file =
      TRY(open_popef(flags["executable"].as<std::string>(), TRY(required_key(flags)), limits));
  const Executable executable = TRY(read_popef(file, check_compute_set, limits));
  const ProgramCost cost = program_cost(executable.program);
  const MemoryReport memory = program_memory(executable.program);
  add_modelled(trace, {executable.program, cost, memory});
  return {};
}

Status trace_host(const po::variables_map& flags, const Limits& limits, TrackEvents& trace) {
  TracedHost host;
  std::optional<RecordedRun> run;
  if (flags.count("record")) {
    host.record_path = flags["record"].as<std::string>();
    run = TRY(read_online_log(host.record_path, limits));
    host.run = &*run;
  }
  std::vector<RecompileEvent> log;
  if (flags.count("events")) {
    host.log_path = flags["events"].as<std::string>();
    log = TRY(events_of(host.log_path, limits));
    host.log = log;
  }
  return add_host(trace, host);
}

Status do_trace(const po::variables_map& flags) {
  const bool executable = flags.count("executable") > 0;
  if (!executable && !flags.count("record") && !flags.count("events"))
    return Error{"trace: nothing to show, must be given MODEL.popef, --record or --events",
                 ErrorKind::Usage};
  if (!flags.count("output"))
    return Error{"trace: no file to write, must be given by -o", ErrorKind::Usage};
  if (flags.count("require_signature") && !executable)
    return Error{"--require_signature: is for executables, must be left out where none is loaded",
                 ErrorKind::Usage};
  const Limits limits = TRY(limits_of(flags));
  TrackEvents trace;
  if (executable) TRY(trace_executable(flags, limits, trace));
  TRY(trace_host(flags, limits, trace));
  const auto output = flags["output"].as<std::string>();
  TRY(write_file_atomic(output, trace.bytes()));
  if (flags["json"].as<bool>()) {
    const nlohmann::ordered_json json = {
        {"schema", "tessera-trace/1"   },
        {"file",   output              },
        {"bytes",  trace.bytes().size()},
        {"events", trace.events()      }
    };
    print_json(json, 2);
    return {};
  }
  print("{}: {} events, {}\nopen it at https://ui.perfetto.dev, which reads it in the browser\n",
        output, human_count(trace.events()),
        human_bytes(static_cast<int64_t>(trace.bytes().size())));
  return {};
}

}  // namespace

Verb trace_verb() {
  return {"write what a batch takes, an online run and compiles as a trace for Perfetto",
          "[MODEL.popef] [--record RUN.jsonl] [--events LOG.jsonl] -o FILE.pftrace",
          "tessera trace bert.popef -o bert.pftrace",
          trace_flags,
          "executable",
          do_trace};
}

}  // namespace tessera::tools
