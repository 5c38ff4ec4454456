// SPDX-License-Identifier: Apache-2.0
#include "bench/speed/bench.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>

#include "codelets/codelet.h"
#include "compiler/convert.h"
#include "ir/text.h"
#include "program/read_popef.h"
#include "support/check.h"
#include "support/clock.h"
#include "support/half.h"

namespace tessera::speed {

Expected<std::vector<std::vector<double>>> alternate(int rounds,
                                                     const std::vector<Contestant>& contestants) {
  std::vector<std::vector<double>> series(contestants.size());
  for (int round = -1; round < rounds; ++round) {
    for (size_t i = 0; i < contestants.size(); ++i) {
      // The threads of the one before may still spin, on the processors that this one needs.
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      const double seconds = TRY(contestants[i]());
      if (round >= 0) series[i].push_back(seconds);
    }
  }
  return series;
}

Expected<double> timed(const std::function<Status()>& work) {
  const double begin = now_seconds();
  TRY(work());
  return now_seconds() - begin;
}

Expected<std::unique_ptr<Bench>> Bench::create(std::string folder, const BenchOptions& options) {
  std::unique_ptr<Bench> bench(new Bench);
  bench->folder_ = std::move(folder);
  bench->options_ = options;
  bench->peak_jit_ = TRY(Jit::create());
  bench->peak_ = std::make_unique<Peak>(*bench->peak_jit_);
  return bench;
}

void Bench::progress(const std::string& what) const {
  if (isatty(STDERR_FILENO) == 0) return;
  fmt::print(stderr, "\r\033[Kbench_speed: {}", what);
  std::fflush(stderr);
}

Expected<std::string> Bench::model(const std::string& name, const MakeModelOptions& options) {
  const std::string path = folder_ + "/" + name + ".onnx";
  if (::access(path.c_str(), R_OK) == 0) return path;
  progress("writing " + name);
  TRY(make_model(options, path));
  return path;
}

Expected<std::string> Bench::bert_base() {
  return model("bert_base", TRY(make_model_preset("base")));
}

Expected<std::string> Bench::executable(const std::string& name, const std::string& model,
                                        const CompileOptions& options) {
  const std::string path = folder_ + "/" + name + ".popef";
  if (::access(path.c_str(), R_OK) == 0) return path;
  progress("compiling " + name);
  CompileResult result = TRY(compile(model, options));
  if (result.out_of_memory) return *result.out_of_memory;
  TRY(write_popef(result.executable, path));
  return path;
}

Expected<Peer*> Bench::peer(const std::string& model) {
  std::unique_ptr<Peer>& peer = peers_[model];
  if (!peer) {
    progress("ONNX Runtime loads " + model);
    peer = TRY(Peer::start({"node", TESSERA_ONNXRUNTIME_JS, model, "--serve", "--threads",
                            std::to_string(options_.threads)}));
    peer_version_ = peer->version();
  }
  return peer.get();
}

std::string peers_python() {
  const char* named = std::getenv("TESSERA_PEERS_PYTHON");
  return named != nullptr && *named != '\0' ? named : "python3";
}

Expected<std::unique_ptr<Peer>> Bench::engine(const std::string& name, const std::string& model,
                                              const MakeModelOptions& made,
                                              const std::vector<std::string>& more) const {
  progress(name + " loads " + model);
  std::vector<std::string> command = {
      peers_python(), TESSERA_PEERS_PY,
      name,           model,
      "--threads",    std::to_string(options_.threads),
      "--size",       fmt::format("{},{},{},{}", made.layers, made.hidden, made.heads, made.ffn)};
  command.insert(command.end(), more.begin(), more.end());
  return Peer::start(command);
}

CompileOptions bert_options(int64_t rows, int64_t length) {
  CompileOptions options;
  for (const char* name : {"input_ids", "attention_mask", "token_type_ids"})
    options.input_shape[name] = {rows, length};
  options.precision = Precision::Fp16;
  return options;
}

Target roomy_target(int64_t tiles) {
  Target target;
  target.name = "roomy";
  target.tiles = tiles;
  target.bytes_per_tile = int64_t{1} << 31;
  return target;
}

namespace {

std::vector<std::byte> random_input(const Variable& variable, std::mt19937& random) {
  std::vector<std::byte> bytes(static_cast<size_t>(variable.bytes()));
  const auto fill = [&](auto next) {
    using T = decltype(next());
    auto* values = reinterpret_cast<T*>(bytes.data());
    std::generate_n(values, bytes.size() / sizeof(T), next);
  };
  const auto unit = [&] { return 2 * static_cast<float>(random()) / 4294967296.0F - 1; };
  const bool mask = variable.name.find("mask") != std::string::npos;
  const bool ids = variable.name.find("ids") != std::string::npos &&
                   variable.name.find("type") == std::string::npos;
  switch (variable.dtype) {
    case DType::F32: fill(unit); break;
    case DType::F16: fill([&] { return to_half(unit()); }); break;
    case DType::I32:
      fill([&] { return mask ? 1 : ids ? static_cast<int32_t>(random() % 100) : 0; });
      break;
    case DType::Bool:
    case DType::I8:
    case DType::U8:
    case DType::F143:
    case DType::F152: break;
  }
  return bytes;
}

}  // namespace

Status Runner::allocate() {
  const Program& program = machine_->executable().program;
  std::mt19937 random(1);
  for (const VariableId id : program.inputs)
    inputs_.push_back(random_input(program.variables[static_cast<size_t>(id)], random));
  for (const VariableId id : program.outputs)
    outputs_.emplace_back(static_cast<size_t>(program.variables[static_cast<size_t>(id)].bytes()));
  return {};
}

Expected<std::unique_ptr<Runner>> Runner::create(Executable executable, int threads) {
  std::unique_ptr<Runner> runner(new Runner);
  MachineOptions options;
  options.threads = threads;
  runner->machine_ =
      TRY(Machine::load(std::make_shared<const Executable>(std::move(executable)), options));
  TRY(runner->allocate());
  return runner;
}

Expected<std::unique_ptr<Runner>> Runner::load(const std::string& popef, int threads) {
  return create(TRY(read_popef(popef, check_compute_set)), threads);
}

Status Runner::run() {
  std::vector<std::span<const std::byte>> in(inputs_.begin(), inputs_.end());
  std::vector<std::span<std::byte>> out(outputs_.begin(), outputs_.end());
  return machine_->run(in, out);
}

Expected<double> Runner::supersteps() {
  machine_->host_profile();  // collected from now on
  TRY(run());
  double seconds = 0;
  for (const HostStep& step : machine_->host_profile()) seconds += step.seconds;
  return seconds;
}

void Runner::set_input(const std::string& name, const std::vector<int32_t>& values) {
  const Program& program = machine_->executable().program;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    if (program.variables[static_cast<size_t>(program.inputs[i])].name != name) continue;
    CHECK(inputs_[i].size() == values.size() * sizeof(int32_t));
    std::memcpy(inputs_[i].data(), values.data(), inputs_[i].size());
  }
}

Expected<Executable> compile_text(const std::string& graph, int64_t tiles) {
  Converted converted;
  converted.graph = TRY(parse_graph(graph));
  CompileOptions options;
  options.target = roomy_target(tiles);
  options.precision = Precision::Fp16;
  CompileResult result = TRY(compile_graph(std::move(converted), options));
  if (result.out_of_memory) return *result.out_of_memory;
  return std::move(result.executable);
}

}  // namespace tessera::speed
