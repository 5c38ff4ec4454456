// SPDX-License-Identifier: Apache-2.0
// Every goal of host speed, measured, with the ratio beside it and whether it holds. One command;
// models, executables and caches are made in a temporary folder and removed.
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "bench/bench_folder.h"
#include "bench/command_line.h"
#include "bench/speed/bench.h"
#include "support/clock.h"

namespace tessera::speed {
namespace {

namespace po = tools::po;

struct Section {
  const char* name;
  const char* what;
  int seconds;  // about, on two idle cores, with the peer; an estimate and no limit
  Status (*run)(Bench&);
};

constexpr Section kSections[] = {
    {"matmul",    "BERT-base's four matmuls at 4,096 rows",                 60,  run_matmul   },
    {"attention", "attention on the lengths of a packed batch",             30,  run_attention},
    {"share",     "softmax, gelu, layer norm, bias, residual in a batch",   25,  run_share    },
    {"model",     "the chapter's workload beside ONNX Runtime",             150, run_model    },
    {"peers",     "the same beside the engines of bench/peers.py",          900, run_peers    },
    {"sentences", "MiniLM-sized, sentences beside the same engines",        300, run_sentences},
    {"threads",   "two threads against one",                                30,  run_threads  },
    {"tiles",     "1,472 tiles against 64",                                 25,  run_tiles    },
    {"scaling",   "time by tokens, 1 to 64 rows",                           35,  run_scaling  },
    {"small",     "MiniLM-sized and tiny models; cost of a superstep",      30,  run_small    },
    {"load",      "load with a cold and a warm object cache; compile time", 50,  run_load     },
    {"memory",    "resident memory beside ONNX Runtime's",                  25,  run_memory   }
};

struct Flags {
  std::vector<std::string> only;
  BenchOptions bench;
  bool json = false;
};

po::options_description command_flags() {
  po::options_description flags("bench_speed");
  flags.add_options()("only", po::value<std::string>(), "these sections alone")(
      "json", po::bool_switch(), "print JSON")("threads", po::value<int>(),
                                               "host threads, of both contestants; 2 unless given")(
      "rounds", po::value<int>(), "rounds of a whole model; 5 unless given");
  return flags;
}

void print_help() {
  fmt::print(
      "usage: bench_speed [--only SECTION,…] [--json] [--threads N] [--rounds N]\n\n"
      "Measures how fast executables run on this host and prints every goal with what was "
      "measured\n"
      "and whether it holds. ONNX Runtime is the peer where node finds the package "
      "onnxruntime-node\n"
      "(NODE_PATH names the folder that it was installed to); without it its rows are left out.\n"
      "The sections peers and sentences take OpenVINO, CTranslate2, PyTorch and ONNX Runtime's "
      "int8, each where\n"
      "the Python that TESSERA_PEERS_PYTHON names has it (scripts/setup peers).\n"
      "Contestants run in turn: a figure is the median of the rounds' ratios, its spread beside "
      "it.\n\n");
  std::cout << command_flags() << std::flush;
  fmt::print("\nsections, with about what each takes on two idle cores:\n");
  int all = 0;
  for (const Section& section : kSections) {
    fmt::print("  {:<10} {:>4} s  {}\n", section.name, section.seconds, section.what);
    all += section.seconds;
  }
  fmt::print("  all        {:>4} s\n\nexample: bench_speed --only matmul,attention\n", all);
}

Error usage(std::string message) { return {std::move(message), ErrorKind::Usage}; }

Expected<std::vector<std::string>> section_names(const std::string& text) {
  std::vector<std::string> names;
  std::istringstream stream(text);
  for (std::string name; std::getline(stream, name, ',');) {
    const bool known = std::any_of(std::begin(kSections), std::end(kSections),
                                   [&](const Section& section) { return name == section.name; });
    if (!known) return usage(fmt::format("--only: '{}', must be a section (see --help)", name));
    names.push_back(name);
  }
  return names;
}

Expected<Flags> flags_of(const po::variables_map& map) {
  Flags flags;
  flags.json = map["json"].as<bool>();
  if (map.count("only")) flags.only = TRY(section_names(map["only"].as<std::string>()));
  TRY(set_positive(map, "threads", flags.bench.threads));
  TRY(set_positive(map, "rounds", flags.bench.rounds));
  return flags;
}

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown";
}

// Processor seconds of the whole host, and of this process with those that it waited for.
double busy_seconds() {
  std::ifstream stat("/proc/stat");
  std::string word;
  double ticks[8] = {};
  stat >> word;
  for (double& tick : ticks) stat >> tick;
  const double idle = ticks[3] + ticks[4];
  double all = 0;
  for (const double tick : ticks) all += tick;
  return (all - idle) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

// Other processes that used the processor while a section ran spoiled it: the share says how much.
class Others {
 public:
  Others() : begin_(now_seconds()), busy_(busy_seconds()) {}
  double elapsed() const { return now_seconds() - begin_; }
  double busy() const { return busy_seconds() - busy_; }

 private:
  double begin_, busy_;
};

double own_seconds() {
  double sum = 0;
  for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage usage{};
    getrusage(who, &usage);
    for (const timeval& time : {usage.ru_utime, usage.ru_stime})
      sum += static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  }
  return sum;
}

Status run_sections(Bench& bench, const Flags& flags, double& foreign) {
  const Others others;
  const double own = own_seconds();
  for (const Section& section : kSections) {
    const auto& only = flags.only;
    if (!only.empty() && std::find(only.begin(), only.end(), section.name) == only.end()) continue;
    const size_t before = bench.table().rows().size();
    TRY(section.run(bench));
    bench.progress("");
    if (flags.json) continue;
    fmt::print("{}", bench.table().text(before));
    std::fflush(stdout);
  }
  bench.stop_peers();  // waits for them, so that their time is known to be ours
  const auto cores = static_cast<double>(sysconf(_SC_NPROCESSORS_ONLN));
  foreign = (others.busy() - (own_seconds() - own)) / (cores * others.elapsed());
  return {};
}

Status run(const po::variables_map& map) {
  const Flags flags = TRY(flags_of(map));
  const BenchFolder folder("bench_speed");
  if (folder.path().empty()) return Error{"no temporary folder can be made, must be for models"};
  const std::unique_ptr<Bench> bench = TRY(Bench::create(folder.path(), flags.bench));
  if (!flags.json)
    fmt::print("Tessera {}, {} threads, on {}\n", TESSERA_VERSION, flags.bench.threads, cpu_name());
  const double begin = now_seconds();
  double foreign = 0;
  TRY(run_sections(*bench, flags, foreign));
  const double seconds = now_seconds() - begin;
  const std::string peer = bench->peer_version();
  if (flags.json) {
    nlohmann::ordered_json json = {
        {"version",     TESSERA_VERSION      },
        {"cpu",         cpu_name()           },
        {"threads",     flags.bench.threads  },
        {"onnxruntime", peer                 },
        {"seconds",     seconds              },
        {"others_cpu",  foreign              },
        {"rows",        bench->table().json()}
    };
    fmt::print("{}\n", json.dump(2));
    return {};
  }
  fmt::print("\n{:.0f} s; ONNX Runtime {}; others used {:.1f} % of the processors meanwhile{}\n",
             seconds, peer.empty() ? "not used" : peer, 100 * std::max(0.0, foreign),
             foreign >= 0.03 ? ": figures are spoiled" : "");
  return {};
}

}  // namespace
}  // namespace tessera::speed

int main(int argc, char** argv) {
  using namespace tessera::speed;
  if (argc > 1 && std::string(argv[1]) == "--child") return child_main(argc, argv);
  return tessera::bench_main({"bench_speed", command_flags(), print_help, run}, argc, argv);
}
