// SPDX-License-Identifier: Apache-2.0
// The time until an executable is ready, and the memory that it holds then: in a fresh process
// each, because a process that has loaded before has memory and code that a first one must get.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "bench/speed/bench.h"
#include "executor/jit.h"
#include "program/read_popef.h"
#include "support/clock.h"

namespace tessera::speed {
namespace {

using Json = nlohmann::json;

// "VmHWM" or "VmRSS" of this process, in MiB.
double status_mib(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(field + ":")) return std::stod(line.substr(field.size() + 1)) / 1024;
  return 0;
}

// bench_speed --child POPEF THREADS CACHE RUNS: loads, runs, says how long and how much memory it
// took.
Expected<Json> child(const std::string& popef, int threads, const std::string& cache, int runs) {
  MachineOptions options;
  options.threads = threads;
  options.cache_folder = cache;
  const double begin = now_seconds();
  auto executable = std::make_shared<const Executable>(TRY(read_popef(popef, check_compute_set)));
  const double read = now_seconds();
  const std::unique_ptr<ModelRunner> runner = TRY(ModelRunner::create(executable, options));
  const double ready = now_seconds();
  Json json = {
      {"read_seconds",    read - begin       },
      {"machine_seconds", ready - read       },
      {"ready_seconds",   ready - begin      },
      {"resident_loaded", status_mib("VmRSS")},
  };
  json["peak_loaded"] = status_mib("VmHWM");
  Machine& machine = runner->machine();
  std::vector<std::vector<std::byte>> in, out;
  const Program& program = executable->program;
  const auto buffer = [&](VariableId id) {
    return std::vector<std::byte>(
        static_cast<size_t>(program.variables[static_cast<size_t>(id)].bytes()));
  };
  for (const VariableId id : program.inputs) in.push_back(buffer(id));
  for (const VariableId id : program.outputs) out.push_back(buffer(id));
  const std::vector<std::span<const std::byte>> inputs(in.begin(), in.end());
  const std::vector<std::span<std::byte>> outputs(out.begin(), out.end());
  for (int i = 0; i < runs; ++i) TRY(machine.run(inputs, outputs));
  int64_t weights = 0;
  for (const Blob& constant : executable->constants)
    weights += static_cast<int64_t>(constant.bytes.size());
  json["weights"] = static_cast<double>(weights) / (1 << 20);
  json["buffers"] = static_cast<double>(machine.host_bytes()) / (1 << 20);
  json["resident"] = status_mib("VmRSS");
  json["peak"] = status_mib("VmHWM");
  return json;
}

struct Fresh {
  Json json;
  double process_seconds = 0;  // from starting the process to its end
};

Expected<Fresh> in_fresh_process(const std::string& popef, int threads, const std::string& cache,
                                 int runs) {
  int up[2];
  if (::pipe2(up, O_CLOEXEC) != 0) return Error{"no pipe to a fresh process can be made"};
  const std::string count = std::to_string(threads), times = std::to_string(runs);
  const double begin = now_seconds();
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(up[1], STDOUT_FILENO);
    ::execl("/proc/self/exe", "bench_speed", "--child", popef.c_str(), count.c_str(), cache.c_str(),
            times.c_str(), nullptr);
    ::_exit(1);
  }
  ::close(up[1]);
  std::string text;
  char part[4096];
  for (ssize_t got; (got = ::read(up[0], part, sizeof part)) > 0;)
    text.append(part, static_cast<size_t>(got));
  ::close(up[0]);
  int status = 0;
  if (pid > 0) ::waitpid(pid, &status, 0);
  Fresh fresh{Json::parse(text, nullptr, false), now_seconds() - begin};
  if (pid > 0 && status == 0 && !fresh.json.is_discarded()) return fresh;
  return Error{"a fresh process that loads " + popef + " failed"};
}

// Seconds until ready, of several processes; what the first that was measured said in `last`.
Expected<std::vector<double>> load_seconds(const std::string& popef, int threads,
                                           const std::string& cache, bool cold, Json& last) {
  std::vector<double> seconds;
  for (int i = 0; i < 5; ++i) {
    std::error_code ignored;
    if (cold) std::filesystem::remove_all(cache, ignored);
    last = TRY(in_fresh_process(popef, threads, cache, 0)).json;
    if (cold || i > 0) seconds.push_back(last["ready_seconds"].get<double>());
  }
  return seconds;
}

Status add_compile(Bench& bench, const std::string& model) {
  constexpr int kTimes = 3;
  std::vector<double> seconds;
  std::string phases;
  for (int i = 0; i < kTimes; ++i) {
    bench.progress("compiling BERT-base");
    CompileResult result;
    seconds.push_back(TRY(timed([&]() -> Status {
      result = TRY(compile(model, bert_options(16, 256)));
      return {};
    })));
    phases.clear();
    for (const Phase& phase : result.phases)
      phases +=
          fmt::format("{}{} {:.0f} ms", phases.empty() ? "" : ", ", phase.name, phase.milliseconds);
  }
  bench.table().add({.section = "load: BERT-base 16x256",
                     .what = "compile, ONNX file to executable in memory",
                     .unit = "s",
                     .is = spread_of(seconds),
                     .goal = 5,
                     .bound = Bound::AtMost,
                     .note = phases});
  return {};
}

}  // namespace

int child_main(int argc, char** argv) {
  if (argc != 6) return 2;
  const Expected<Json> json = child(argv[2], std::stoi(argv[3]), argv[4], std::stoi(argv[5]));
  if (!json) {
    fmt::print(stderr, "{}\n", json.error().message);
    return 1;
  }
  fmt::print("{}\n", json->dump());
  return 0;
}

Status run_load(Bench& bench) {
  const std::string model = TRY(bench.bert_base());
  const std::string popef = TRY(bench.executable("padded", model, bert_options(16, 256)));
  const std::string cache = bench.folder() + "/cache";
  for (const bool cold : {true, false}) {
    bench.progress(cold ? "loading, object cache empty" : "loading, object cache warm");
    Json last;
    const auto seconds = TRY(load_seconds(popef, bench.options().threads, cache, cold, last));
    bench.table().add(
        {.section = "load: BERT-base 16x256",
         .what = cold ? "ready to run, object cache empty" : "ready to run, object cache warm",
         .unit = "s",
         .is = spread_of(seconds),
         .goal = cold ? 1.0 : 0.3,
         .bound = Bound::AtMost,
         .note = fmt::format("fresh processes; the last: file read and proved {:.0f} "
                             "ms, machine {:.0f} ms",
                             1e3 * last["read_seconds"].get<double>(),
                             1e3 * last["machine_seconds"].get<double>())});
  }
  return add_compile(bench, model);
}

// The peer's own peak, of a process that has done as much: loaded, and run the batch twice.
Status add_peer_memory(Bench& bench, const std::string& section, const std::string& model,
                       double ours) {
  bench.stop_peers();
  const std::string what = "resident at most, over ONNX Runtime's";
  const Expected<Peer*> peer = bench.peer(model);
  if (!peer) {
    bench.table().leave_out(section, what, peer.error().message);
    return {};
  }
  const PeerBatch batch{256, std::vector<int64_t>(16, 256)};
  TRY((*peer)->run({batch, batch}));
  const double theirs = TRY((*peer)->peak_resident_mib());
  bench.stop_peers();
  bench.table().add({
      .section = section,
      .what = what,
      .unit = "x",
      .is = Spread{ours / theirs, ours / theirs, ours / theirs},
      .goal = 1,
      .bound = Bound::AtMost,
      .note = fmt::format("ONNX Runtime in node: {:.0f} MiB", theirs)
  });
  return {};
}

Status run_memory(Bench& bench) {
  const char* section = "memory: BERT-base 16x256, resident in a fresh process, two batches run";
  const std::string model = TRY(bench.bert_base());
  const std::string popef = TRY(bench.executable("padded", model, bert_options(16, 256)));
  const std::string cache = bench.folder() + "/cache";
  bench.progress("memory");
  TRY(in_fresh_process(popef, bench.options().threads, cache, 0));  // so that the cache is warm
  const Json json = TRY(in_fresh_process(popef, bench.options().threads, cache, 2)).json;
  const auto at = [&](const char* name) { return json[name].get<double>(); };
  const auto add = [&](const std::string& what, double is, const char* unit,
                       std::optional<double> goal, const std::string& note) {
    bench.table().add({
        .section = section,
        .what = what,
        .unit = unit,
        .is = Spread{is, is, is},
        .goal = goal,
        .bound = Bound::AtMost,
        .note = note
    });
  };
  const double weights = at("weights"), buffers = at("buffers");
  add("weights, fp16 as the file has them", weights, "MiB", {}, "");
  add("what the machine allocated", buffers, "MiB", {}, "");
  add("resident while running", at("resident"), "MiB", {}, "the process, with what LLVM takes");
  add("resident at most, loading included", at("peak"), "MiB", {}, "");
  add("the same less what the machine allocated, over the weights",
      (at("peak") - buffers) / weights, "x", 1.5,
      "activations, packed by liveness, and scratch are what it allocated");
  return add_peer_memory(bench, section, model, at("peak"));
}

}  // namespace tessera::speed
