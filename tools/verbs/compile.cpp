// SPDX-License-Identifier: Apache-2.0
// tessera compile: an ONNX model becomes an executable file.
#include "compiler/compile.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "compiler/parallel.h"
#include "compiler/ways_out.h"
#include "cost/inspection.h"
#include "passes/pipeline.h"
#include "support/human.h"
#include "tools/files/outputs.h"
#include "tools/flags/flags.h"
#include "tools/print/print.h"
#include "tools/print/progress.h"
#include "tools/verbs/batch_time.h"
#include "tools/verbs/calibration.h"
#include "tools/verbs/ipu_views.h"
#include "tools/verbs/kept_lines.h"
#include "tools/verbs/verb.h"

namespace tessera::tools {
namespace {

po::options_description compile_own_flags() {
  po::options_description files("Files");
  files.add_options()("input_model,i", po::value<std::string>(), "the ONNX model")(
      "output,o", po::value<std::string>(), "the executable to write (default: executable.popef)")(
      "output_dir", po::value<std::string>()->default_value("."),
      "folder of executable.popef where -o is not given")(
      "export_popef", po::bool_switch(), "accepted as PopRT's spelling: compile always exports")(
      "label", po::value<std::string>()->default_value(""),
      "words to keep in the executable, which inspect shows: a version, a purpose")(
      "json", po::bool_switch(), "print the summary as JSON")(
      "verbose", po::bool_switch(),
      "with precision fp16: a line for each node that stays in fp32, and why")(
      "list_passes", po::bool_switch(), "list the passes in their order and stop");
  po::options_description all;
  all.add(files).add(compile_flags()).add(calibration_flags()).add(limit_flags());
  return all;
}

void list_passes() {
  for (const Pass& pass : all_passes())
    print("{:<24} {}{}\n", pass.name, pass.what, pass.runs.is_optional() ? " (optional)" : "");
}

nlohmann::ordered_json summary_json(const CompileResult& result, const std::string& path,
                                    uint64_t file_bytes) {
  const Metadata& metadata = result.executable.metadata;
  nlohmann::ordered_json json;
  json["schema"] = "tessera-compile/1";
  json["executable"] = path;
  json["file_bytes"] = file_bytes;
  json["sha256"] = result.executable.sha256;
  for (const Phase& phase : result.phases) json["phases_ms"][phase.name] = phase.milliseconds;
  json["supersteps"] = result.executable.program.supersteps.size();
  json["peak_tile_bytes"] = metadata.memory.peak_bytes;
  json["bytes_per_tile"] = result.executable.program.target.bytes_per_tile;
  json["fits"] = metadata.memory.fits;
  json["available_memory_proportion"] = result.planned_proportion;
  json["cycles_per_batch"] = metadata.cycles.total;
  json["modelled_seconds_per_batch"] = metadata.cycles.seconds_per_batch;
  for (const ParallelChoice& choice : result.choices)
    json["parallel"].push_back({
        {"flags",             choice.flags            },
        {"seconds_per_batch", choice.seconds_per_batch},
        {"latency_seconds",   choice.latency_seconds  },
        {"peak_bytes",        choice.peak_bytes       },
        {"fits",              choice.fits             },
        {"chosen",            choice.chosen           },
        {"why_not",           choice.why_not          }
    });
  json["kept_in_fp32"] = kept_in_fp32_json(result.executable);
  json["warnings"] = result.warnings;
  return json;
}

// The share of a tile that the Program was planned for, where --fit took a smaller one.
void print_share(const CompileResult& result, const CompileOptions& options) {
  if (result.planned_proportion == options.available_memory_proportion) return;
  print("  planned for      {:.3f} of a tile (--fit), asked were {}\n", result.planned_proportion,
        options.available_memory_proportion);
}

void print_summary(const CompileResult& result, const CompileOptions& options,
                   const std::string& path, uint64_t file_bytes, bool verbose) {
  const Program& program = result.executable.program;
  const Metadata& metadata = result.executable.metadata;
  std::string phases;
  double total = 0;
  for (const Phase& phase : result.phases) {
    phases +=
        fmt::format("{}{} {:.0f} ms", phases.empty() ? "" : ", ", phase.name, phase.milliseconds);
    total += phase.milliseconds;
  }
  print("{}\n", path);
  print("  compiled in      {:.0f} ms ({})\n", total, phases);
  print("  supersteps       {}\n", program.supersteps.size());
  print("  peak tile memory {} of {} bytes ({:.0f} %), tile {} in '{}'\n",
        human_count(metadata.memory.peak_bytes), human_count(program.target.bytes_per_tile),
        100.0 * static_cast<double>(metadata.memory.peak_bytes) /
            static_cast<double>(program.target.bytes_per_tile),
        metadata.memory.peak_tile, metadata.memory.peak_superstep);
  print_share(result, options);
  print("  modelled         {} on {}\n", human_batch_time(metadata.cycles, program.target),
        program.target.name);
  print("  file             {}\n", human_bytes(static_cast<int64_t>(file_bytes)));
  if (program.target.ipus > 1)
    print_ipus({program, program_cost(program), program_memory(program)});
  const std::vector<KeptLine> kept = kept_in_fp32(result.executable);
  if (verbose)
    print_kept(kept, kept.size());
  else if (!kept.empty())
    print("  kept in fp32     {} nodes (--verbose says which and why)\n", kept.size());
}

Expected<CompileResult> compile_with_progress(const std::string& model,
                                              const CompileOptions& options) {
  Progress progress("compile " + model);
  return compile(model, options, [&](const std::string& phase) { progress.step(phase); });
}

// The memory and cycles of other options, which are compiled one after the other: no guess.
Error with_ways_out(Error error, const std::string& model, const CompileOptions& options) {
  constexpr double kSeconds = 15;
  Progress progress("compile " + model);
  const std::vector<WayOut> ways =
      ways_out(model, options, kSeconds, [&](const std::string& change, int64_t done, int64_t all) {
        progress.step("does not fit, trying " + change + ", variants", done, all);
      });
  if (!ways.empty()) error.message += "\n  compiled with:" + to_string(ways);
  return error;
}

Status do_compile(const po::variables_map& flags) {
  if (flags["list_passes"].as<bool>()) {
    list_passes();
    return {};
  }
  if (!flags.count("input_model"))
    return Error{"compile: no model, must be --input_model MODEL.onnx", ErrorKind::Usage};
  const std::string model = flags["input_model"].as<std::string>();
  const std::string output = flags.count("output")
                                 ? flags["output"].as<std::string>()
                                 : flags["output_dir"].as<std::string>() + "/executable.popef";
  CompileOptions options = TRY(compile_options(flags));
  const std::string label = flags["label"].as<std::string>();
  TRY(check_label(label));
  TRY(check_output_file(output));
  options = TRY(calibrated(flags, model, std::move(options)));

  CompileResult result = TRY(compile_with_progress(model, options));
  result.executable.metadata.label = label;
  for (const std::string& warning : result.warnings) print_error("tessera: warning: {}\n", warning);
  const uint64_t bytes = TRY(write_popef(result.executable, output));
  if (flags["json"].as<bool>())
    print_json(summary_json(result, output, bytes), 2);
  else
    print_summary(result, options, output, bytes, flags["verbose"].as<bool>());
  if (!result.choices.empty() && !flags["json"].as<bool>())
    print("{}", Lines{to_string(result.choices, options.parallel_goal)});
  // The file is written all the same: it is what there is to inspect.
  if (result.out_of_memory) return with_ways_out(*result.out_of_memory, model, options);
  return {};
}

}  // namespace

Verb compile_verb() {
  return {"compile an ONNX model to an executable file",
          "--input_model MODEL.onnx [--input_shape NAME=D,D …] [FLAGS] -o MODEL.popef",
          "tessera compile --input_model bert.onnx --input_shape input_ids=16,256 --precision fp16 "
          "-o bert.popef",
          compile_own_flags,
          "input_model",
          do_compile};
}

}  // namespace tessera::tools
