// SPDX-License-Identifier: Apache-2.0
// tessera run: an executable on one batch, or a model through a Session that compiles for each new
// input shape and says why.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "compiler/onnx/import/import.h"
#include "serving/request_contract.h"
#include "session/session.h"
#include "support/file.h"
#include "support/file_names.h"
#include "tools/outputs.h"
#include "tools/pack_flags.h"
#include "tools/print.h"
#include "tools/progress.h"
#include "tools/requests.h"
#include "tools/sandboxed.h"
#include "tools/session_flags.h"
#include "tools/stranger_flags.h"
#include "tools/tensors.h"
#include "tools/verb.h"

namespace tessera::tools {
namespace fs = std::filesystem;
namespace {

using Words = std::vector<std::string>;

po::options_description flags() {
  po::options_description files("Files");
  files.add_options()("model", po::value<std::string>(), "an executable (.popef) or an ONNX model")(
      "inputs", po::value<Words>()->multitoken()->composing(),
      "folder with one NAME.npy per input; several folders are several batches")(
      "random", po::value<Words>()->multitoken()->zero_tokens()->composing(),
      "in place of --inputs, seeded random values: NAME=D,D for each batch of an ONNX model; alone "
      "for one batch of an executable")(
      "requests", po::value<std::string>()->default_value(""),
      "folder with one folder per request (a NAME.npy by token each) or per padded batch of them "
      "(each [rows,length], with its mask), or with the arrays of one; a packed executable packs "
      "them, and --outputs gets answers in the same folders")(
      "plan", po::value<std::string>()->default_value(""),
      "of --requests: the batches of this plan (tessera pack FOLDER -o PLAN), in place of "
      "--policy")(
      "outputs", po::value<std::string>()->default_value(""),
      "folder for one NAME.npy per output (of batch N in a folder N, if there are several)")(
      "json", po::bool_switch(), "print what was run as JSON");
  po::options_description all;
  all.add(files)
      .add(rule_flags("window",
                      "of --requests: next_fit, first_fit, best_fit, window, spfhp, lpfhp"))
      .add(machine_flags())
      .add(stranger_flags())
      .add(session_flags())
      .add(compile_flags())
      .add(limit_flags());
  return all;
}

bool ends_with(const std::string& text, std::string_view end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

std::map<std::string, NpyArray> as_arrays(HostTensors tensors) {
  std::map<std::string, NpyArray> arrays;
  for (auto& [name, tensor] : tensors)
    arrays[name] = {npy_descr(tensor.dtype), tensor.shape, std::move(tensor.bytes)};
  return arrays;
}

// What is said of the batches that were run: a line for each, or with --json one object at the end.
class Account {
 public:
  explicit Account(bool as_json) : as_json_(as_json) {}

  void add(double host, const Executable& executable, const std::string& outputs) {
    const CycleSummary& cycles = executable.metadata.cycles;
    if (!as_json_) {
      print("ran in {} on the host; modelled {}\n", human_seconds(host),
            human_batch_time(cycles, executable.program.target));
      return;
    }
    batches_.push_back({
        {"host_seconds",     host                    },
        {"modelled_seconds", cycles.seconds_per_batch},
        {"cycles",           cycles.total            },
        {"outputs",          outputs                 }
    });
  }
  void finish() const {
    if (as_json_)
      print_json(
          nlohmann::ordered_json{
              {"batches", batches_}
      },
          2);
  }

 private:
  bool as_json_;
  nlohmann::ordered_json batches_ = nlohmann::ordered_json::array();
};

Status run_batch(const Serving& serving, const std::map<std::string, NpyArray>& inputs,
                 const std::string& output_folder, const WriteOutputs& write, Account& account) {
  const double start = now_seconds();
  HostTensors outputs = TRY(serving.run(TRY(input_views(inputs))));
  account.add(now_seconds() - start, serving.runner->executable(), output_folder);
  for (const NotFinite& found : serving.not_finite(outputs))
    print_error("tessera: warning: {}\n", to_string(found));
  if (output_folder.empty()) return {};
  Metadata metadata;
  metadata.anchors = serving.anchors();
  return write(by_file(as_arrays(std::move(outputs)), output_files(metadata)), output_folder);
}

// One batch: where its inputs come from.
struct Source {
  std::string folder;  // or
  InputShapes shapes;  // of random ones; of an executable: none, or those that it has
  Words files = {};    // .npy of the folder
};

Expected<Words> arrays_in(const std::string& folder) {
  std::error_code error;
  Words files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error))
    if (entry.path().extension() == ".npy") files.push_back(entry.path().filename().string());
  if (error) return Error{folder + ": " + error.message() + ", must be a folder of NAME.npy"};
  std::sort(files.begin(), files.end());
  return files;
}

// Words behind --random; of an executable "yes" says nothing more than no word.
Expected<InputShapes> random_shapes(const std::string& word, bool onnx) {
  if (!onnx && word == "yes") return InputShapes();
  auto shapes = parse_shapes({word});
  if (!shapes.ok())
    return Error{fmt::format("--random: '{}', must be NAME=D,D{}", word,
                             onnx ? "" : " with the executable's own shape, or stand alone"),
                 ErrorKind::Usage};
  return shapes;
}

// `model`: of an ONNX model, whose names the files have; null for an executable.
Expected<std::vector<Source>> sources(const po::variables_map& flags, const ModelNames* model,
                                      bool may_be_none) {
  std::vector<Source> all;
  if (flags.count("inputs"))
    for (const std::string& folder : flags["inputs"].as<Words>()) {
      Source source{folder, {}, TRY(arrays_in(folder))};
      if (model) source.shapes = TRY(input_shapes_of(folder, TensorFiles(model->inputs)));
      all.push_back(std::move(source));
    }
  if (flags.count("random")) {
    Words words = flags["random"].as<Words>();
    if (words.empty() && !model) words.push_back("yes");
    for (const std::string& word : words)
      all.push_back({"", TRY(random_shapes(word, model != nullptr))});
  }
  if (all.empty() && !may_be_none)
    return Error{"run: no inputs, must be --inputs FOLDER or --random", ErrorKind::Usage};
  return all;
}

// Shapes that were asked for must be those that there are.
Status check_shapes(const Metadata& metadata, const InputShapes& asked) {
  for (const auto& [name, shape] : asked) {
    const Anchor* input = find_input(metadata, name);
    if (!input)
      return Error{fmt::format("--random: there is no input '{}', must be one of {}", name,
                               fmt::join(anchor_names(metadata, AnchorKind::Input), ", ")),
                   ErrorKind::Usage};
    if (shape != input->shape)
      return Error{fmt::format("--random: {} is {}, must be {} as this executable was compiled",
                               name, to_string(shape), to_string(input->shape)),
                   ErrorKind::Usage};
  }
  return {};
}

// A file that no input takes is a slip, and would be left out without a word.
Status check_files(const Metadata& metadata, const Source& source) {
  const Words names = anchor_names(metadata, AnchorKind::Input);
  const TensorFiles files(names);
  for (const std::string& file : source.files)
    if (!find_input(metadata, files.name_of(file)))
      return Error{fmt::format("{}/{}: is not an input of this model, which has {}", source.folder,
                               file, fmt::join(names, ", "))};
  return {};
}

Expected<std::map<std::string, NpyArray>> load_inputs(const Source& source, const Serving& serving,
                                                      size_t batch, const ReadArray& read) {
  Metadata metadata;
  metadata.anchors = serving.anchors();
  if (source.folder.empty()) {
    TRY(check_shapes(metadata, source.shapes));
    return random_inputs(metadata, batch);
  }
  TRY(check_files(metadata, source));
  return read_inputs(source.folder, anchor_names(metadata, AnchorKind::Input), read);
}

std::string folder_of_batch(const std::string& outputs, size_t batch, size_t batches) {
  if (outputs.empty() || batches == 1) return outputs;
  return outputs + "/" + std::to_string(batch);
}

// An executable's batches, from files to files.
struct ExecutableRun {
  PopefFile file;
  MachineOptions machine;
  std::vector<Source> batches;
  std::string outputs;
  bool json = false;

  std::string folder(size_t batch) const { return folder_of_batch(outputs, batch, batches.size()); }
};

Status run_executable(const ExecutableRun& is, const ReadArray& read, const WriteOutputs& write) {
  Progress progress("run " + is.file.path);
  progress.step("loading");
  const Serving serving{TRY(load_runner(is.file, is.machine)), {}};
  Account account(is.json);
  for (size_t i = 0; i < is.batches.size(); ++i) {
    progress.step("batches", static_cast<int64_t>(i), std::ssize(is.batches));
    const auto inputs = TRY(load_inputs(is.batches[i], serving, i, read));
    TRY(run_batch(serving, inputs, is.folder(i), write, account));
  }
  account.finish();
  return {};
}

Status run_locked_up(const ExecutableRun& is) {
  std::vector<std::string> inputs, outputs;
  for (size_t i = 0; i < is.batches.size(); ++i) {
    if (!is.batches[i].folder.empty()) inputs.push_back(is.batches[i].folder);
    if (!is.outputs.empty()) outputs.push_back(is.folder(i));
  }
  const ReadArray read = read_before(inputs, is.machine.limits);
  return run_in_sandbox(outputs, is.machine.limits, write_outputs,
                        [&](const WriteOutputs& write) { return run_executable(is, read, write); });
}

Status run_batches(Session& session, const std::vector<Source>& batches, const std::string& outputs,
                   const ReadArray& read, bool as_json) {
  Progress progress("run");
  Account account(as_json);
  for (size_t i = 0; i < batches.size(); ++i) {
    progress.step("batches", static_cast<int64_t>(i), std::ssize(batches));
    const Serving serving = TRY(session.serve(batches[i].shapes));
    TRY(run_batch(serving, TRY(load_inputs(batches[i], serving, i, read)),
                  folder_of_batch(outputs, i, batches.size()), write_outputs, account));
  }
  account.finish();
  return {};
}

Status run_packed(const po::variables_map& flags, const PopefFile& file,
                  const MachineOptions& machine, const std::string& outputs) {
  RequestPacking packing{
      TRY(pack_rule(flags)), flags["plan"].as<std::string>(), {}, flags["json"].as<bool>()};
  if (!packing.plan_path.empty()) packing.plan = TRY(read_plan(packing.plan_path));
  const auto requests = TRY(read_requests(flags["requests"].as<std::string>()));
  const auto work = [&](const WriteOutputs& write) -> Status {
    const std::unique_ptr<ModelRunner> runner = TRY(load_runner(file, machine));
    return run_requests(*runner, requests, outputs, packing, write);
  };
  if (!flags["sandbox"].as<bool>()) return work(write_outputs);
  std::vector<std::string> folders;
  for (const NamedRequest& request : requests)
    folders.push_back(answer_folder(outputs, request.name));
  return run_in_sandbox(folders, machine.limits, write_outputs, work);
}

Status run_model(const std::string& path, const MachineOptions& machine,
                 const po::variables_map& flags, const std::string& outputs) {
  SessionOptions options = TRY(session_options(flags));
  options.compile = TRY(compile_options(flags));
  options.machine = machine;
  options.call_site = "tessera run";
  const bool needs_names = flags.count("inputs") > 0;
  const ModelNames names = needs_names ? TRY(model_names(path)) : ModelNames();
  const std::vector<Source> batches = TRY(sources(flags, &names, !options.warm_up.empty()));
  const std::unique_ptr<Session> session = TRY(Session::open(path, std::move(options)));
  const Status done = run_batches(*session, batches, outputs, read_within(machine.limits),
                                  flags["json"].as<bool>());
  if (done.ok()) session->finish_background();
  // A refusal is counted too.
  const std::string metrics = flags["metrics"].as<std::string>();
  if (!metrics.empty()) TRY(write_file_atomic(metrics, session->metrics()));
  return done;
}

Status run(const po::variables_map& flags) {
  if (!flags.count("model"))
    return Error{"run: no model, must be MODEL.popef or MODEL.onnx", ErrorKind::Usage};
  const std::string model = flags["model"].as<std::string>();
  const bool onnx = ends_with(model, ".onnx");
  const bool sandbox = flags["sandbox"].as<bool>();
  const std::string outputs = flags["outputs"].as<std::string>();
  TRY(check_output_folder(outputs));
  MachineOptions machine = TRY(machine_options(flags));
  machine.require_signature = TRY(required_key(flags));
  if (sandbox) machine.cache_folder = "";  // code that a stranger's file made stays in there
  if (!onnx) TRY(check_no_session_flags(flags));

  const bool packed = !flags["requests"].as<std::string>().empty();
  if (onnx && packed) return Error{"run: --requests needs a packed executable", ErrorKind::Usage};
  if (onnx && machine.require_signature)
    return Error{"run: --require_signature is for executables: a session makes its own of a model",
                 ErrorKind::Usage};
  if (onnx && sandbox)
    return Error{"run: --sandbox needs an executable: 'tessera compile' makes one of a model",
                 ErrorKind::Usage};
  if (onnx) return run_model(model, machine, flags, outputs);
  const PopefFile file = TRY(open_popef(model, machine.require_signature, machine.limits));
  if (packed) return run_packed(flags, file, machine, outputs);
  const ExecutableRun is{file, machine, TRY(sources(flags, nullptr, false)), outputs,
                         flags["json"].as<bool>()};
  return sandbox ? run_locked_up(is)
                 : run_executable(is, read_within(machine.limits), write_outputs);
}

}  // namespace

Verb run_verb() {
  return {"run",
          "run an executable on a batch, or a model through a session",
          "MODEL.popef|MODEL.onnx --inputs FOLDER --outputs FOLDER [FLAGS]",
          "tessera run bert.popef --inputs batch --outputs answers\n"
          "  tessera run bert.onnx --random input_ids=4,128 input_ids=4,100 --events events.jsonl\n"
          "  tessera run bert.onnx --inputs batch --on_recompile pad --warm_up input_ids=4,64 "
          "input_ids=4,128 --cache_dir cache\n"
          "  tessera run stranger.popef --inputs batch --outputs answers --sandbox",
          flags,
          "model",
          run};
}

}  // namespace tessera::tools
