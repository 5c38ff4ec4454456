// SPDX-License-Identifier: Apache-2.0
// tessera quantize: a model of floats becomes one of bytes, and is measured beside it.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "check/quantization.h"
#include "support/human.h"
#include "tools/files/outputs.h"
#include "tools/files/sample_files.h"
#include "tools/flags/flags.h"
#include "tools/print/print.h"
#include "tools/print/progress.h"
#include "tools/verbs/verb.h"

namespace tessera::tools {
namespace {

po::options_description quantize_flags() {
  po::options_description files("Files");
  files.add_options()("input_model,i", po::value<std::string>(), "the ONNX model of floats")(
      "output,o", po::value<std::string>(), "the ONNX model of bytes to write")(
      "json", po::bool_switch(), "print the report as JSON");
  po::options_description quantizing("Quantizing");
  quantizing.add_options()(
      "scales", po::value<std::string>()->default_value("token"),
      "where the scale of what is multiplied comes from. token: each token has its own, found "
      "while the model runs; the least error. tensor: each value has one, found while the model "
      "runs, as by ONNX Runtime's quantize_dynamic. static: each value has one, fixed by the "
      "calibration set (QuantizeLinear and DequantizeLinear). Weights have one for each column")(
      "calibration", po::value<std::vector<std::string>>()->multitoken(),
      (std::string(kSampleHelp) +
       " Errors are measured with it. Without one, numbers are drawn at random")
          .c_str())("random_requests", po::value<int64_t>()->default_value(8),
                    "requests that are drawn where no calibration set is given")(
      "seed", po::value<uint64_t>()->default_value(1), "of what is drawn at random")(
      "input_shape", po::value<std::vector<std::string>>()->multitoken(),
      "shape of the batches that are run, by input: NAME=D,D … (as many tokens as the longest "
      "sample has, in at most four rows)");
  po::options_description skipping("What stays as it is");
  skipping.add_options()(
      "skip_op_names", po::value<std::vector<std::string>>()->multitoken(),
      "matmuls that stay in floats, by the name of the node or of what it makes: NAME …")(
      "skip_most_sensitive", po::value<int64_t>()->default_value(0),
      "this number of matmuls more stays in floats: those that cost the outputs the most. Each is "
      "quantized alone and measured, which takes a compile for each")(
      "max_error", po::value<double>(),
      "as many more stay in floats, most sensitive first, as it takes until the error of every "
      "output is at most this");
  po::options_description all;
  all.add(files).add(quantizing).add(skipping).add(machine_flags()).add(limit_flags());
  return all;
}

Expected<QuantizationOptions> options_of(const po::variables_map& flags, const std::string& model) {
  const auto words = [&](const char* flag) {
    return flags.count(flag) ? flags[flag].as<std::vector<std::string>>()
                             : std::vector<std::string>();
  };
  QuantizationOptions options;
  options.by = TRY(parse_quantized_by(flags["scales"].as<std::string>()));
  options.input_shape = TRY(parse_shapes(words("input_shape")));
  options.random_requests = flags["random_requests"].as<int64_t>();
  options.seed = flags["seed"].as<uint64_t>();
  options.skip_most_sensitive = flags["skip_most_sensitive"].as<int64_t>();
  if (flags.count("max_error")) options.max_error = flags["max_error"].as<double>();
  for (const std::string& name : words("skip_op_names")) options.skip.insert(name);
  options.machine = TRY(machine_options(flags));
  options.limits = TRY(limits_of(flags));
  options.samples = TRY(read_samples(words("calibration"), model, options.limits));
  return options;
}

void print_outputs(const QuantizationReport& report) {
  print("outputs, against the model of floats\n");
  print("  {:<30} {:>9} {:>9} {:>9} {:>9}\n", "output", "error", "largest", "of", "cosine");
  for (const QuantizedOutput& output : report.outputs)
    print("  {:<30} {:>9.3g} {:>9.3g} {:>9.3g} {:>9.6f}\n", output.name, output.error.relative,
          output.error.largest, output.error.magnitude, output.error.cosine);
}

void print_matmuls(const QuantizationReport& report) {
  constexpr size_t kFewLines = 20;
  std::vector<const QuantizedMatmul*> worst;
  for (const QuantizedMatmul& one : report.matmuls)
    if (one.quantized) worst.push_back(&one);
  std::ranges::stable_sort(
      worst, [](const auto* a, const auto* b) { return a->error.relative > b->error.relative; });
  const size_t shown = std::min(worst.size(), kFewLines);
  print("matmuls by the error of what they make, all before them in bytes too\n");
  for (size_t i = 0; i < shown; ++i)
    print("  {:>9.3g}  {}{}\n", worst[i]->error.relative, worst[i]->is.node,
          worst[i]->alone ? fmt::format(" (alone {:.3g} of an output)", *worst[i]->alone) : "");
  if (worst.size() > shown)
    print("             … and {} with less (--json has all)\n", worst.size() - shown);
  for (const QuantizedMatmul& one : report.matmuls)
    if (!one.quantized)
      print("  in floats  {}: {}{}\n", one.is.node, one.why_not,
            one.alone ? fmt::format(", alone {:.3g} of an output", *one.alone) : "");
}

void print_quantized(const QuantizationReport& report) {
  print("{}: {} of {} matmuls by weights in bytes, {} scales\n", report.output, report.quantized(),
        report.matmuls.size(), to_string(report.by));
  print("  weights    {} become {}\n", human_bytes(report.float_bytes()),
        human_bytes(report.int8_bytes()));
  print("  measured   with {}\n", report.samples);
  print_outputs(report);
  print_matmuls(report);
}

Status do_quantize(const po::variables_map& flags) {
  if (!flags.count("input_model") || !flags.count("output"))
    return Error{
        "quantize: must have a model and a file to write: tessera quantize MODEL.onnx -o "
        "OUT.onnx",
        ErrorKind::Usage};
  const std::string model = flags["input_model"].as<std::string>();
  const std::string output = flags["output"].as<std::string>();
  const QuantizationOptions options = TRY(options_of(flags, model));
  TRY(check_output_file(output));
  const auto quantized = [&] {
    Progress progress("quantize " + model);
    return quantize_and_measure(model, output, options,
                                [&](const std::string& what) { progress.step(what); });
  };
  const QuantizationReport report = TRY(quantized());
  for (const std::string& warning : report.warnings) print_error("tessera: warning: {}\n", warning);
  if (flags["json"].as<bool>())
    print_json(quantization_json(report), 2);
  else
    print_quantized(report);
  return {};
}

}  // namespace

Verb quantize_verb() {
  return {"make a model of 8-bit integers of one of floats, and say how far its answers are",
          "MODEL.onnx -o OUT.onnx [--scales token|tensor|static] [--calibration PATH …] [FLAGS]",
          "tessera quantize bert.onnx -o bert_int8.onnx --calibration requests --max_error 0.02",
          quantize_flags,
          "input_model",
          do_quantize};
}

}  // namespace tessera::tools
