// SPDX-License-Identifier: Apache-2.0
// tessera inspect: what is in an executable, and where its memory and cycles go.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "codelets/codelet.h"
#include "compiler/onnx/import/summary.h"
#include "cost/inspection.h"
#include "program/boxes.h"
#include "program/popef.h"
#include "program/read_popef.h"
#include "program/text.h"
#include "session/events.h"
#include "support/human.h"
#include "tools/flags/flags.h"
#include "tools/flags/stranger_flags.h"
#include "tools/print/print.h"
#include "tools/print/table.h"
#include "tools/print/terminal.h"
#include "tools/verbs/batch_time.h"
#include "tools/verbs/inspect_against.h"
#include "tools/verbs/inspect_views.h"
#include "tools/verbs/ipu_views.h"
#include "tools/verbs/kept_lines.h"
#include "tools/verbs/program_pictures.h"
#include "tools/verbs/report_inputs.h"
#include "tools/verbs/verb.h"

namespace tessera::tools {
namespace {

po::options_description inspect_flags() {
  po::options_description flags("Inspecting");
  flags.add_options()("executable", po::value<std::string>(),
                      "the .popef file, or a model; with --against also events of sessions")(
      "cycles", po::bool_switch(), "where the time goes: a line for every superstep")(
      "ops", po::bool_switch(), "the same by ONNX nodes, most cycles first")(
      "kinds", po::bool_switch(), "the same by what vertices compute")(
      "layers", po::bool_switch(), "the same by layer, as paths of nodes' names tell it")(
      "memory", po::bool_switch(), "what is on the fullest tile")(
      "picture", po::value<std::string>(),
      "draw tiles (what lies on each, or with --superstep what each computes), supersteps (cycles) "
      "or memory (of the fullest tile, over the supersteps)")(
      "liveness", po::bool_switch(), "bytes that are not always live, by superstep")(
      "node", po::value<std::string>(), "the supersteps that this ONNX node became")(
      "superstep", po::value<std::string>(), "one superstep, and the ONNX nodes it comes from")(
      "against", po::value<std::string>(),
      "another executable: what became slower or larger in it, or lies elsewhere, by ONNX nodes; "
      "or, where both are events of sessions, which compiles are more or fewer")(
      "json", po::bool_switch(),
      "print everything as JSON; with one of these views: a profile with the field names of "
      "Poplar's")("supersteps", po::bool_switch(), "a line for every superstep")(
      "program", po::bool_switch(), "print the Program as text")("blobs", po::bool_switch(),
                                                                 "list the file's blobs");
  po::options_description all;
  all.add(flags).add(colour_flags()).add(signature_flags()).add(limit_flags());
  return all;
}

std::string text_of_padding(const PackingContract& packing) {
  switch (packing.request_size) {
    case RequestSize::Tokens: return "none: one request a row, of any length";
    case RequestSize::Row: return "none: a request fills its row: " + packing.why_no_less;
    case RequestSize::Batch: break;
  }
  return "none: a request fills the batch" +
         (packing.why_no_less.empty() ? "" : ": " + packing.why_no_less);
}

std::string text_of(const PackingContract& packing) {
  if (packing.form == PackingForm::None) return text_of_padding(packing);
  std::string text = fmt::format("form {}, {} rows of {} tokens", to_string(packing.form),
                                 packing.rows, packing.row_length);
  if (packing.max_valid_num) text += fmt::format(", at most {} requests", packing.max_valid_num);
  text += fmt::format(" of at most {} tokens", packing.segment_max_size);
  if (packing.padding_id < 0) return text;
  return text + fmt::format(", without id {}", packing.padding_id);
}

void print_supersteps(const Program& program, const ProgramCost& cost) {
  const Table table({
      {"step", 5},
      {"name", 44, false, true},
      {"codelet", 16, false},
      {"vertices", 8},
      {"exchange", 10},
      {"compute", 10},
      {"sync", 8},
      {"bytes moved", 12},
      {"balance", 8}
  });
  print("\n");
  table.print_heads();
  const auto text = [](auto number) { return fmt::format("{}", number); };
  for (size_t i = 0; i < program.supersteps.size(); ++i) {
    const Superstep& step = program.supersteps[i];
    const SuperstepCost& one = cost.steps[i];
    table.print({text(i), step.name, std::string(step.compute.codelet),
                 text(vertex_count(step.compute.grid)), text(one.exchange.value),
                 text(one.compute.value), text(one.sync.value), human_bytes(one.exchange_bytes),
                 fmt::format("{:.0f}%", 100 * one.balance)});
  }
  table.print_left_out();
}

// A line for each option that says something.
void print_options(const Metadata& metadata) {
  print("compiled   by tessera {} with\n", metadata.compiler_version);
  std::string_view options = metadata.options;
  while (!options.empty()) {
    const std::string_view line = options.substr(0, options.find('\n'));
    options.remove_prefix(std::min(line.size() + 1, options.size()));
    if (!line.ends_with(' ')) print("           {}\n", line);
  }
}

constexpr size_t kFewLines = 20;

void print_summary(const Executable& executable, const ProgramCost& cost,
                   const MemoryReport& memory) {
  const Metadata& metadata = executable.metadata;
  const Target& target = executable.program.target;
  print("model      {} (sha256 {}…)\n", metadata.model_name, metadata.source_sha256.substr(0, 16));
  if (!metadata.label.empty()) print("label      {}\n", metadata.label);
  print_options(metadata);
  print("runs on    tessera {} and later ones of file format {}\n", metadata.compiler_version,
        kPopefVersion);
  const std::string of_each = target.ipus == 1 ? "" : std::to_string(target.ipus) + " IPUs of ";
  print("target     {}: {}{} tiles of {} bytes at {:.2f} GHz\n", target.name, of_each, target.tiles,
        human_count(target.bytes_per_tile), target.clock_hz / 1e9);
  for (const Anchor& anchor : metadata.anchors) {
    print("{}     {} {}", anchor.kind == AnchorKind::Input ? "input " : "output", anchor.name,
          to_string(TensorType{anchor.dtype, anchor.shape}));
    if (anchor.index_limit) print(", each in 0..{}", anchor.index_limit - 1);
    if (anchor.size_limit)
      print(", each in {}..{}", anchor.size_least.value_or(-anchor.size_limit), anchor.size_limit);
    if (!anchor.limited_by.empty()) print(", for node '{}'", anchor.limited_by);
    print("\n");
  }
  print("packing    {}\n", text_of(metadata.packing));
  print_kept(kept_in_fp32(executable), kFewLines);
  print("memory     {} bytes on tile {} at '{}', {} of them always live\n",
        human_count(memory.peak_by_tile[memory.fullest.value]), memory.fullest.value,
        memory.peak_superstep, human_count(memory.always_live_by_tile[memory.fullest.value]));
  for (const MemoryHolder& holder : memory.largest)
    print("             {:>12} {}\n", human_count(holder.bytes), holder.what);
  const auto share = [&](Cycles part) {
    return 100.0 * static_cast<double>(part.value) / static_cast<double>(cost.total.value);
  };
  print("modelled   {}\n", human_batch_time(metadata.cycles, target));
  print("cycles     compute {:.1f} %, rearrange {:.1f} %, exchange {:.1f} %, sync {:.1f} %\n",
        share(cost.compute), share(cost.rearrange), share(cost.exchange), share(cost.sync));
  print_ipus({executable.program, cost, memory});
  print("program    {} supersteps, {} variables\n", executable.program.supersteps.size(),
        executable.program.variables.size());
}

bool asks_for_views(const po::variables_map& flags) {
  for (const char* view : {"cycles", "ops", "kinds", "layers", "memory", "liveness"})
    if (flags[view].as<bool>()) return true;
  return flags.count("node") || flags.count("superstep") || flags.count("picture");
}

Status draw(const po::variables_map& flags, const Profiled& is) {
  const auto what = flags["picture"].as<std::string>();
  const PictureStyle style{picture_columns(), TRY(in_colour(flags))};
  if (what == "tiles" && flags.count("superstep")) {
    const size_t step = TRY(superstep_of(is, flags["superstep"].as<std::string>()));
    print("{}", Picture{draw_tile_cycles(is, step, style)});
  } else if (what == "tiles") {
    print("{}", Picture{draw_tile_bytes(is, style)});
  } else if (what == "supersteps") {
    print("{}", Picture{draw_supersteps(is, style)});
  } else if (what == "memory") {
    print("{}", Picture{draw_memory(is, style)});
  } else {
    return Error{fmt::format("--picture: '{}', must be tiles, supersteps or memory", what),
                 ErrorKind::Usage};
  }
  return {};
}

// The profile; with --superstep that one has its cycles by tile, with --node the profile has its
// supersteps alone.
Expected<nlohmann::ordered_json> chosen_profile(const po::variables_map& flags,
                                                const Profiled& is) {
  using Json = nlohmann::ordered_json;
  Json profile = flags.count("superstep")
                     ? profile_json(is, TRY(superstep_of(is, flags["superstep"].as<std::string>())))
                     : profile_json(is);
  if (!flags.count("node")) return profile;
  const std::vector<size_t> which = TRY(supersteps_of(is, flags["node"].as<std::string>()));
  for (Json* all :
       {&profile["execution"]["steps"], &profile["compilation"]["livenessProgramSteps"]}) {
    Json chosen = Json::array();
    for (const size_t i : which) chosen.push_back((*all)[i]);
    *all = std::move(chosen);
  }
  return profile;
}

Status print_views(const po::variables_map& flags, const Profiled& is) {
  if (flags.count("picture") && flags["json"].as<bool>())
    return Error{"--picture: is for people, must be left out with --json", ErrorKind::Usage};
  if (flags["json"].as<bool>()) {
    print_json(TRY(chosen_profile(flags, is)), 1);
    return {};
  }
  if (flags["cycles"].as<bool>()) print_cycles(is);
  if (flags["ops"].as<bool>()) print_ops(is);
  if (flags["kinds"].as<bool>()) print_kinds(is);
  if (flags["layers"].as<bool>()) print_layers(is);
  if (flags["memory"].as<bool>()) print_memory(is);
  if (flags["liveness"].as<bool>()) print_liveness(is);
  if (flags.count("node")) TRY(print_node(is, flags["node"].as<std::string>()));
  if (flags.count("superstep")) TRY(print_superstep(is, flags["superstep"].as<std::string>()));
  if (flags.count("picture")) TRY(draw(flags, is));
  return {};
}

Status inspect_model(const std::string& path, const Limits& limits, bool as_json) {
  const ModelSummary summary = TRY(summarize_onnx(path, limits));
  if (as_json) {
    print_json(summary_json(summary), 2);
    return {};
  }
  print("model      {} (sha256 {}…), by {}\n", path, summary.sha256.substr(0, 16),
        summary.producer.empty() ? "an exporter that does not say its name" : summary.producer);
  for (const auto& [domain, version] : summary.opsets) print("opset      {} {}\n", domain, version);
  for (const auto& input : summary.inputs) print("input      {} {}\n", input.name, input.type);
  for (const auto& output : summary.outputs) print("output     {} {}\n", output.name, output.type);
  print("graph      {} nodes, {} initializers\n", human_count(summary.nodes),
        human_count(summary.initializers));
  for (const auto& op : summary.ops)
    print("  {:>7} {}{}\n", human_count(op.count), op.op, op.supported ? "" : "  not supported");
  print("'tessera check {}' tries every node, and says what may be padded and packed\n", path);
  return {};
}

Expected<ReportedExecutable> read_reported(const std::string& path,
                                           const po::variables_map& flags) {
  const Limits limits = TRY(limits_of(flags));
  const PopefFile file = TRY(open_popef(path, TRY(required_key(flags)), limits));
  ReportedExecutable reported;
  reported.file = path;
  reported.executable = TRY(read_popef(file, check_compute_set, limits));
  reported.blobs = TRY(list_blobs(file));
  return reported;
}

bool is_events(const std::string& path) {
  const Expected<InputKind> kind = kind_of(path);
  return kind.ok() && *kind == InputKind::Events;
}

Expected<ReportedLog> read_log(const std::string& path, const po::variables_map& flags) {
  return ReportedLog{path, TRY(events_of(path, TRY(limits_of(flags))))};
}

Status inspect_logs(const po::variables_map& flags, const std::string& path) {
  const auto against = flags["against"].as<std::string>();
  const InputKind kind = TRY(kind_of(against));
  if (kind != InputKind::Events)
    return Error{fmt::format("--against: {} is {}, must be {} as {} is", against, to_words(kind),
                             to_words(InputKind::Events), path),
                 ErrorKind::Usage};
  for (const char* flag : {"program", "supersteps", "blobs"})
    if (flags[flag].as<bool>())
      return Error{fmt::format("--{}: is for an executable, must be left out with events", flag),
                   ErrorKind::Usage};
  print_against(TRY(read_log(path, flags)), TRY(read_log(against, flags)),
                flags["json"].as<bool>());
  return {};
}

Status do_inspect(const po::variables_map& flags) {
  if (!flags.count("executable"))
    return Error{"inspect: no executable, must be MODEL.popef", ErrorKind::Usage};
  const std::string path = flags["executable"].as<std::string>();
  const Limits limits = TRY(limits_of(flags));
  if (path.ends_with(".onnx")) return inspect_model(path, limits, flags["json"].as<bool>());
  if (flags.count("against") && asks_for_views(flags))
    return Error{"--against: shows both as a whole, must be given without a view",
                 ErrorKind::Usage};
  if (flags.count("against") && is_events(path)) return inspect_logs(flags, path);
  const ReportedExecutable reported = TRY(read_reported(path, flags));
  if (flags.count("against")) {
    print_against(reported, TRY(read_reported(flags["against"].as<std::string>(), flags)),
                  flags["json"].as<bool>());
    return {};
  }
  if (flags["json"].as<bool>() && flags["program"].as<bool>())
    return Error{"--program: is text, must be left out with --json", ErrorKind::Usage};
  const Executable& executable = reported.executable;
  const std::vector<BlobInfo>& blobs = reported.blobs;
  const ProgramCost cost = program_cost(executable.program);
  const MemoryReport memory = program_memory(executable.program);
  if (asks_for_views(flags)) return print_views(flags, {executable.program, cost, memory});
  if (flags["json"].as<bool>()) {
    print_json(inspection_json(executable, blobs, cost, memory), 2);
    return {};
  }
  if (flags["program"].as<bool>()) {
    print("{}", Lines{print(executable.program)});
    return {};
  }
  print_summary(executable, cost, memory);
  if (flags["supersteps"].as<bool>()) print_supersteps(executable.program, cost);
  if (flags["blobs"].as<bool>())
    for (const BlobInfo& blob : blobs)
      print("{:>14} at {:>12}  {:<12} {} {}…\n", human_bytes(static_cast<int64_t>(blob.bytes)),
            blob.offset, blob.type, blob.name, blob.sha256.substr(0, 16));
  return {};
}

}  // namespace

Verb inspect_verb() {
  return {"show what an executable holds, its memory and its cycles; or what a model declares",
          "MODEL.popef | MODEL.onnx [--cycles | --ops | --memory | --liveness | --against B.popef]"
          " [--json] [--picture tiles | supersteps | memory]",
          "tessera inspect bert.popef --ops",
          inspect_flags,
          "executable",
          do_inspect};
}

}  // namespace tessera::tools
