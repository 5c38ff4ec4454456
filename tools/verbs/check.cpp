// SPDX-License-Identifier: Apache-2.0
// tessera check: what a user runs before trusting us.
#include "check/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "compiler/onnx/import/import.h"
#include "support/plain_text.h"
#include "tools/files/request_files.h"
#include "tools/flags/flags.h"
#include "tools/print/print.h"
#include "tools/print/progress.h"
#include "tools/verbs/requests.h"
#include "tools/verbs/verb.h"

namespace tessera::tools {
namespace {

po::options_description check_flags() {
  po::options_description checking("Checking");
  checking.add_options()("input_model,i", po::value<std::string>(), "the ONNX model")(
      "reference", po::value<std::string>()->default_value("interpreter"),
      "who gives the right answers: interpreter (ours, of the model before any pass) or "
      "onnxruntime (without optimisations)")(
      "python", po::value<std::string>()->default_value("python3"),
      "the Python that has numpy and onnxruntime, for --reference onnxruntime")(
      "requests", po::value<std::string>(),
      "a folder of your own requests, one subfolder each, as run takes them")(
      "random_requests", po::value<int64_t>()->default_value(6),
      "requests of different lengths, drawn at random, beside yours")(
      "seed", po::value<uint64_t>()->default_value(1), "of what is drawn at random")(
      "tolerance", po::value<double>(),
      "the largest error allowed, as a share of the output's largest magnitude, or of 0.01 where "
      "that is smaller (1e-4 in fp32, 2e-2 in fp16, 0.2 in fp8)")(
      "by_layer", po::bool_switch(),
      "also compare every value that the model and the compiled graph share, and name the first "
      "whose error grows")("json", po::bool_switch(), "print the report as JSON");
  po::options_description all;
  all.add(checking).add(compile_flags()).add(machine_flags()).add(limit_flags());
  return all;
}

Expected<CheckOptions> options_of(const po::variables_map& flags, const std::string& model) {
  CheckOptions options{.compile = TRY(compile_options(flags)),
                       .machine = TRY(machine_options(flags)),
                       .python = flags["python"].as<std::string>(),
                       .requests = {},
                       .random_requests = flags["random_requests"].as<int64_t>(),
                       .seed = flags["seed"].as<uint64_t>(),
                       .tolerance = {},
                       .by_layer = flags["by_layer"].as<bool>()};
  const std::string& reference = flags["reference"].as<std::string>();
  if (reference != "interpreter" && reference != "onnxruntime")
    return Error{"--reference: is '" + visible(reference) + "', must be interpreter or onnxruntime",
                 ErrorKind::Usage};
  if (reference == "onnxruntime") options.reference = ReferenceKind::OnnxRuntime;
  if (options.random_requests < 0 || options.random_requests > 10'000)
    return Error{
        "--random_requests: is " + std::to_string(options.random_requests) + ", must be 0 to 10000",
        ErrorKind::Usage};
  if (flags.count("tolerance")) options.tolerance = flags["tolerance"].as<double>();
  if (options.tolerance && !(*options.tolerance >= 0))
    return Error{"--tolerance: must be 0 or more", ErrorKind::Usage};
  if (!flags.count("requests")) return options;
  const TensorFiles files(TRY(model_names(model, options.compile.limits)).inputs);
  for (NamedRequest& one :
       TRY(read_requests(flags["requests"].as<std::string>(), options.compile.limits)))
    options.requests.emplace_back(one.name, TRY(by_input(TRY(std::move(one.request)), files)));
  return options;
}

void print_inputs(const CheckReport& report) {
  print("inputs\n");
  for (const InputMeaning& input : report.inputs)
    print("  {:<20} {:<14} {:<12} {}\n", input.name, input.type, input.meaning, input.how);
}

void print_forms(const CheckReport& report) {
  print("requests\n");
  for (const FormVerdict& form : report.forms) {
    std::string verdict = form.possible ? "yes" : "no";
    if (form.form == PackingForm::None && form.request_size == RequestSize::Row)
      verdict = "whole rows only";
    const std::string what = form.form == PackingForm::None
                                 ? "padded, one a row"
                                 : fmt::format("packed, {}", in_words(form.form));
    print("  {:<20} {}{}\n", what, verdict, form.why_not.empty() ? "" : ": " + form.why_not);
  }
}

void print_kept_in_fp32(const CheckReport& report) {
  constexpr size_t kFewLines = 20;
  const std::vector<std::string>& kept = report.kept_in_fp32;
  if (kept.empty()) return;
  print("in fp32, of this fp16 program\n");
  for (size_t i = 0; i < std::min(kept.size(), kFewLines); ++i) print("  {}\n", kept[i]);
  if (kept.size() > kFewLines) print("  … and {} more (--json)\n", kept.size() - kFewLines);
}

void print_errors(const CheckReport& report) {
  print("errors against {}, allowed {:g} of an output's magnitude\n", report.reference,
        report.tolerance);
  print("  {:<8} {:<20} {:>8} {:>12} {:>12} {:>12}  {}\n", "as", "output", "answers", "largest",
        "mean", "magnitude", "worst");
  for (const OutputError& error : report.outputs)
    print("  {:<8} {:<20} {:>8} {:>12.3g} {:>12.3g} {:>12.3g}  {}{}\n", word_of_form(error.form),
          error.output, error.answers, error.largest, error.mean, error.magnitude, error.worst,
          error.within ? "" : "  TOO FAR");
  for (const std::string& line : report.not_compared) print("  not compared: {}\n", line);
}

void print_checked_layers(const CheckReport& report) {
  if (report.layers.empty()) return;
  print("by layer, {} values\n", report.layers.size());
  if (report.first_bad_layer < 0) {
    const auto worst = std::ranges::max_element(report.layers, {}, &LayerError::share);
    print("  none grows past half of what is allowed; the worst is {}: {:.3g} of {:.3g}\n",
          worst->node, worst->largest, worst->magnitude);
    return;
  }
  const auto first = static_cast<size_t>(report.first_bad_layer);
  for (size_t i = first == 0 ? 0 : first - 1; i < std::min(first + 3, report.layers.size()); ++i)
    print("  {} {:<30} {:.3g} of {:.3g}\n", i == first ? "first:" : "      ", report.layers[i].node,
          report.layers[i].largest, report.layers[i].magnitude);
}

void print_checked(const CheckReport& report) {
  print("{}: {} nodes, {}\n", report.model, report.nodes,
        report.unsupported.empty() ? "all supported"
                                   : fmt::format("{} not supported", report.unsupported.size()));
  for (const std::string& problem : report.unsupported) print("  {}\n", problem);
  if (!report.unsupported.empty()) return;
  print_inputs(report);
  print_forms(report);
  print_kept_in_fp32(report);
  print_errors(report);
  print_checked_layers(report);
}

Status do_check(const po::variables_map& flags) {
  if (!flags.count("input_model"))
    return Error{"check: must have a model: tessera check MODEL.onnx", ErrorKind::Usage};
  const std::string& model = flags["input_model"].as<std::string>();
  const CheckOptions options = TRY(options_of(flags, model));
  Progress progress("check");
  const CheckReport report =
      TRY(check_model(model, options, [&](const std::string& what) { progress.step(what); }));
  if (flags["json"].as<bool>())
    print_json(check_json(report), 2);
  else
    print_checked(report);
  if (report.all_well()) return {};
  return Error{report.model + ": " +
               (report.unsupported.empty() ? "an output is too far from the reference"
                                           : "has nodes that are not supported")};
}

}  // namespace

Verb check_verb() {
  return {
      "say whether a model is right: what is supported, paddable, packable, and how far from a "
      "reference",
      "MODEL.onnx [--input_shape NAME=D,D …] [--precision fp16] [--reference onnxruntime] [FLAGS]",
      "tessera check bert.onnx --input_shape input_ids=4,64 --precision fp16 --by_layer",
      check_flags,
      "input_model",
      do_check};
}

}  // namespace tessera::tools
