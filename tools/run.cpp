// SPDX-License-Identifier: Apache-2.0
// tessera run: an executable on one batch, or a model through a Session that compiles for each new
// input shape and says why.
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>

#include "session/session.h"
#include "tools/requests.h"
#include "tools/tensors.h"
#include "tools/verb.h"

namespace tessera::tools {
namespace {

using Words = std::vector<std::string>;

po::options_description flags() {
  po::options_description files("Files");
  files.add_options()("model", po::value<std::string>(), "an executable (.popef) or an ONNX model")(
      "inputs", po::value<Words>()->multitoken()->composing(),
      "folder with one NAME.npy per input; several folders are several batches")(
      "random", po::value<Words>()->multitoken()->composing(),
      "in place of --inputs, seeded random values: NAME=D,D for each batch of an ONNX model, or "
      "just 'yes' for an executable")(
      "requests", po::value<std::string>()->default_value(""),
      "folder with one folder per request (one-dimensional NAME.npy each); a packed executable "
      "packs them, and --outputs gets one folder per request")(
      "outputs", po::value<std::string>()->default_value(""),
      "folder for one NAME.npy per output (of batch N in a folder N, if there are several)")(
      "events", po::value<std::string>()->default_value(""),
      "append one JSON line per recompile event to this file (ONNX models)");
  po::options_description all;
  all.add(files).add(machine_flags()).add(compile_flags());
  return all;
}

bool ends_with(const std::string& text, std::string_view end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

Status run_batch(ModelRunner& runner, const std::map<std::string, NpyArray>& inputs,
                 const std::string& output_folder) {
  std::map<std::string, NpyArray> outputs = empty_outputs(runner.executable().metadata);
  const double start = now_seconds();
  TRY(runner.run(TRY(input_views(inputs)), TRY(output_views(outputs))));
  const double host = now_seconds() - start;
  const CycleSummary& cycles = runner.executable().metadata.cycles;
  fmt::print("ran in {} on the host; modelled {} = {} cycles on the IPU\n", human_seconds(host),
             human_seconds(cycles.seconds_per_batch),
             human_count(static_cast<int64_t>(cycles.total)));
  if (!output_folder.empty()) TRY(write_outputs(outputs, output_folder));
  return {};
}

// One batch: where its inputs come from.
struct Source {
  std::string folder;                   // or
  std::map<std::string, Shape> shapes;  // of random ones
};

Expected<std::vector<Source>> sources(const po::variables_map& flags, bool model_is_onnx) {
  std::vector<Source> all;
  if (flags.count("inputs"))
    for (const std::string& folder : flags["inputs"].as<Words>()) {
      Source source{folder, {}};
      if (model_is_onnx) source.shapes = TRY(input_shapes_of(folder));
      all.push_back(std::move(source));
    }
  if (flags.count("random"))
    for (const std::string& word : flags["random"].as<Words>())
      all.push_back(
          {"", model_is_onnx ? TRY(parse_shapes({word})) : std::map<std::string, Shape>()});
  if (all.empty())
    return Error{"run: no inputs, must be --inputs FOLDER or --random NAME=D,D", ErrorKind::Usage};
  return all;
}

Expected<std::map<std::string, NpyArray>> load_inputs(const Source& source,
                                                      const Metadata& metadata, size_t batch) {
  if (source.folder.empty()) return random_inputs(metadata, batch);
  return read_inputs(source.folder, anchor_names(metadata, AnchorKind::Input));
}

std::string folder_of_batch(const std::string& outputs, size_t batch, size_t batches) {
  if (outputs.empty() || batches == 1) return outputs;
  return outputs + "/" + std::to_string(batch);
}

Status run(const po::variables_map& flags) {
  if (!flags.count("model"))
    return Error{"run: no model, must be MODEL.popef or MODEL.onnx", ErrorKind::Usage};
  const std::string model = flags["model"].as<std::string>();
  const bool onnx = ends_with(model, ".onnx");
  const std::string outputs = flags["outputs"].as<std::string>();
  MachineOptions machine;
  machine.threads = flags["threads"].as<int>();
  machine.kind = flags["isolated"].as<bool>() ? MachineKind::Isolated : MachineKind::Direct;

  if (const std::string requests = flags["requests"].as<std::string>(); !requests.empty()) {
    if (onnx) return Error{"run: --requests needs a packed executable", ErrorKind::Usage};
    return run_requests(TRY(ModelRunner::load(model, machine)), requests, outputs);
  }
  const std::vector<Source> batches = TRY(sources(flags, onnx));
  if (!onnx) {
    const std::unique_ptr<ModelRunner> runner = TRY(ModelRunner::load(model, machine));
    for (size_t i = 0; i < batches.size(); ++i)
      TRY(run_batch(*runner, TRY(load_inputs(batches[i], runner->executable().metadata, i)),
                    folder_of_batch(outputs, i, batches.size())));
    return {};
  }
  SessionOptions options{TRY(compile_options(flags)), machine, flags["events"].as<std::string>()};
  const std::unique_ptr<Session> session = TRY(Session::open(model, options));
  size_t shown = 0;
  for (size_t i = 0; i < batches.size(); ++i) {
    auto runner = session->runner(batches[i].shapes);
    for (const std::vector<RecompileEvent> events = session->events(); shown < events.size();
         ++shown)
      fmt::print(stderr, "{}\n", to_human_line(events[shown]));
    if (!runner.ok()) return runner.error();
    TRY(run_batch(**runner, TRY(load_inputs(batches[i], (*runner)->executable().metadata, i)),
                  folder_of_batch(outputs, i, batches.size())));
  }
  return {};
}

}  // namespace

Verb run_verb() {
  return {"run",
          "run an executable on a batch, or a model through a session",
          "MODEL.popef|MODEL.onnx --inputs FOLDER --outputs FOLDER [FLAGS]",
          "tessera run bert.popef --inputs batch --outputs answers\n"
          "  tessera run bert.onnx --random input_ids=4,128 input_ids=4,100 --events events.jsonl",
          flags,
          "model",
          run};
}

}  // namespace tessera::tools
