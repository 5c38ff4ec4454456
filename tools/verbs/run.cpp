// SPDX-License-Identifier: Apache-2.0
// tessera run: an executable on one batch, or a model through a Session that compiles for each new
// input shape and says why.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "compiler/onnx/import/import.h"
#include "executor/batch_arrays.h"
#include "session/session.h"
#include "support/clock.h"
#include "support/file.h"
#include "support/human.h"
#include "tools/files/array_stores.h"
#include "tools/files/request_files.h"
#include "tools/files/tensors.h"
#include "tools/flags/flags.h"
#include "tools/flags/stranger_flags.h"
#include "tools/print/print.h"
#include "tools/print/progress.h"
#include "tools/sandbox/sandboxed.h"
#include "tools/verbs/batch_time.h"
#include "tools/verbs/pack_flags.h"
#include "tools/verbs/requests.h"
#include "tools/verbs/run_inputs.h"
#include "tools/verbs/session_flags.h"
#include "tools/verbs/verb.h"

namespace tessera::tools {
namespace {

using Words = std::vector<std::string>;

po::options_description run_flags() {
  po::options_description files("Files");
  files.add_options()("model", po::value<std::string>(), "an executable (.popef) or an ONNX model")(
      "inputs", po::value<Words>()->multitoken()->composing(),
      "folder with one NAME.npy per input, an archive NAME.npz of them, or - for an archive on "
      "standard input; several are several batches")(
      "random", po::value<Words>()->multitoken()->zero_tokens()->composing(),
      "in place of --inputs, seeded random values: NAME=D,D for each batch of an ONNX model; alone "
      "for one batch of an executable")(
      "requests", po::value<std::string>()->default_value(""),
      "folder with one folder per request (a NAME.npy by token each) or per padded batch of them "
      "(each [rows,length], with its mask), or with the arrays of one; or an archive of such "
      "paths; "
      "a packed executable packs them, and --outputs gets answers in the same folders")(
      "plan", po::value<std::string>()->default_value(""),
      "of --requests: the batches of this plan (tessera pack FOLDER -o PLAN), in place of "
      "--policy")(
      "outputs", po::value<std::string>()->default_value(""),
      "folder for one NAME.npy per output (of batch N in a folder N, if there are several), or an "
      "archive NAME.npz with these paths, or - for one on standard output")(
      "json", po::bool_switch(), "print what was run as JSON");
  po::options_description all;
  all.add(files)
      .add(rule_flags("window", "of --requests: " + policy_words()))
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

// The report of the batches that were run: a line for each, or with --json one object at the end.
// Where the arrays go to standard output, the lines go to the other.
class Account {
 public:
  Account(bool as_json, bool on_stderr) : as_json_(as_json), on_stderr_(on_stderr) {}

  void add(double host, const Executable& executable, const std::string& outputs) {
    const CycleSummary& cycles = executable.metadata.cycles;
    if (!as_json_) {
      tell(fmt::format("ran in {} on the host; modelled {}", human_seconds(host),
                       human_batch_time(cycles, executable.program.target)),
           on_stderr_);
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
              {"schema",  "tessera-run/1"},
              {"batches", batches_       }
      },
          2);
  }

 private:
  bool as_json_, on_stderr_;
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
  bool json = false, on_stderr = false;

  std::string folder(size_t batch) const { return folder_of_batch(outputs, batch, batches.size()); }
};

Status run_executable(const ExecutableRun& is, const ReadArray& read, const WriteOutputs& write) {
  Progress progress("run " + is.file.path);
  progress.step("loading");
  const Serving serving{TRY(load_runner(is.file, is.machine)), {}};
  Account account(is.json, is.on_stderr);
  for (size_t i = 0; i < is.batches.size(); ++i) {
    progress.step("batches", static_cast<int64_t>(i), std::ssize(is.batches));
    const auto inputs = TRY(load_inputs(is.batches[i], serving, i, read));
    TRY(run_batch(serving, inputs, is.folder(i), write, account));
  }
  account.finish();
  return {};
}

Status run_locked_up(const ExecutableRun& is, const WriteOutputs& write_outside) {
  std::vector<std::string> inputs, outputs;
  for (size_t i = 0; i < is.batches.size(); ++i) {
    const Source& batch = is.batches[i];
    if (!batch.path.empty() && !batch.archive) inputs.push_back(batch.path);
    if (!is.outputs.empty()) outputs.push_back(is.folder(i));
  }
  const ReadArray read = read_before(inputs, is.machine.limits);
  return run_in_sandbox(outputs, is.machine.limits, write_outside,
                        [&](const WriteOutputs& write) { return run_executable(is, read, write); });
}

Status run_batches(Session& session, const std::vector<Source>& batches, const std::string& outputs,
                   const ReadArray& read, const WriteOutputs& write, Account account) {
  Progress progress("run");
  for (size_t i = 0; i < batches.size(); ++i) {
    progress.step("batches", static_cast<int64_t>(i), std::ssize(batches));
    const Serving serving = TRY(session.serve(batches[i].shapes));
    TRY(run_batch(serving, TRY(load_inputs(batches[i], serving, i, read)),
                  folder_of_batch(outputs, i, batches.size()), write, account));
  }
  account.finish();
  return {};
}

Status run_packed(const po::variables_map& flags, const PopefFile& file,
                  const MachineOptions& machine, const std::string& outputs,
                  const WriteOutputs& write_outside) {
  RequestPacking packing{TRY(pack_rule(flags)),
                         flags["plan"].as<std::string>(),
                         {},
                         flags["json"].as<bool>(),
                         outputs == "-"};
  if (!packing.plan_path.empty()) packing.plan = TRY(read_plan(packing.plan_path));
  const auto requests = TRY(read_requests(flags["requests"].as<std::string>(), machine.limits));
  const auto work = [&](const WriteOutputs& write) -> Status {
    const std::unique_ptr<ModelRunner> runner = TRY(load_runner(file, machine));
    return run_requests(*runner, requests, outputs, packing, write);
  };
  if (!flags["sandbox"].as<bool>()) return work(write_outside);
  std::vector<std::string> folders;
  for (const NamedRequest& request : requests)
    folders.push_back(answer_folder(outputs, request.name));
  return run_in_sandbox(folders, machine.limits, write_outside, work);
}

Status run_model(const std::string& path, const MachineOptions& machine,
                 const po::variables_map& flags, const std::string& outputs,
                 const WriteOutputs& write) {
  SessionOptions options = TRY(session_options(flags));
  options.compile = TRY(compile_options(flags));
  options.machine = machine;
  options.call_site = "tessera run";
  const bool needs_names = flags.count("inputs") > 0;
  const ModelNames names = needs_names ? TRY(model_names(path)) : ModelNames();
  const std::vector<Source> batches =
      TRY(sources(flags, &names, machine.limits, !options.warm_up.empty()));
  const std::unique_ptr<Session> session = TRY(Session::open(path, std::move(options)));
  const Status done = run_batches(*session, batches, outputs, read_within(machine.limits), write,
                                  Account(flags["json"].as<bool>(), outputs == "-"));
  if (done.ok()) session->finish_background();
  // A refusal is counted too.
  const std::string metrics = flags["metrics"].as<std::string>();
  if (!metrics.empty()) TRY(write_file_atomic(metrics, session->metrics()));
  return done;
}

// Runs as the flags say, with arrays to `write`.
Status run_to(const po::variables_map& flags, const std::string& outputs,
              const WriteOutputs& write) {
  const std::string model = flags["model"].as<std::string>();
  const bool onnx = ends_with(model, ".onnx");
  const bool sandbox = flags["sandbox"].as<bool>();
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
  if (onnx) return run_model(model, machine, flags, outputs, write);
  const PopefFile file = TRY(open_popef(model, machine.require_signature, machine.limits));
  if (packed) return run_packed(flags, file, machine, outputs, write);
  const ExecutableRun is{file,
                         machine,
                         TRY(sources(flags, nullptr, machine.limits, false)),
                         outputs,
                         flags["json"].as<bool>(),
                         outputs == "-"};
  return sandbox ? run_locked_up(is, write)
                 : run_executable(is, read_within(machine.limits), write);
}

Status do_run(const po::variables_map& flags) {
  if (!flags.count("model"))
    return Error{"run: no model, must be MODEL.popef or MODEL.onnx", ErrorKind::Usage};
  const std::string path = flags["outputs"].as<std::string>();
  ArrayOutputs outputs(path);
  if (outputs.on_stdout() && flags["json"].as<bool>())
    return Error{"--outputs -: is not together with --json, which prints there too",
                 ErrorKind::Usage};
  TRY(outputs.check());
  Status done = run_to(flags, path, [&](const Arrays& arrays, const std::string& folder) {
    return outputs.write(arrays, folder);
  });
  // Answers that came before a refusal are written too, as to a folder.
  const Status written = outputs.finish();
  return done.ok() ? written : done;
}

}  // namespace

Verb run_verb() {
  return {"run an executable on a batch, or a model through a session",
          "MODEL.popef|MODEL.onnx --inputs FOLDER|FILE.npz|- --outputs FOLDER|FILE.npz|- [FLAGS]",
          "tessera run bert.popef --inputs batch --outputs answers\n"
          "  tessera run bert.onnx --random input_ids=4,128 input_ids=4,100 --events events.jsonl\n"
          "  tessera run bert.popef --inputs batch.npz --outputs answers.npz\n"
          "  tessera run bert.onnx --inputs batch --on_recompile pad --warm_up input_ids=4,64 "
          "input_ids=4,128 --cache_dir cache\n"
          "  tessera run stranger.popef --inputs batch --outputs answers --sandbox",
          run_flags,
          "model",
          do_run};
}

}  // namespace tessera::tools
