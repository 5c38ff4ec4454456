// SPDX-License-Identifier: Apache-2.0
// Every goal of host speed, measured, with the ratio beside it and whether it holds. One command;
// models, executables and caches are made in a temporary folder and removed.
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "bench/speed/bench.h"

namespace tessera::speed {
namespace {

struct Section {
  const char* name;
  const char* what;
  int seconds;  // about, on two idle cores, with the peer; an estimate and no limit
  Status (*run)(Bench&);
};

constexpr Section kSections[] = {
    {"matmul",    "BERT-base's four matmuls at 4,096 rows",                 20,  run_matmul   },
    {"attention", "attention on the lengths of a packed batch",             10,  run_attention},
    {"share",     "softmax, gelu, layer norm, bias, residual in a batch",   25,  run_share    },
    {"model",     "the chapter's workload beside ONNX Runtime",             150, run_model    },
    {"threads",   "two threads against one",                                20,  run_threads  },
    {"tiles",     "1,472 tiles against 64",                                 15,  run_tiles    },
    {"scaling",   "time by tokens, 1 to 64 rows",                           35,  run_scaling  },
    {"small",     "MiniLM-sized and tiny models; cost of a superstep",      30,  run_small    },
    {"load",      "load with a cold and a warm object cache; compile time", 50,  run_load     },
    {"memory",    "resident memory beside ONNX Runtime's",                  25,  run_memory   }
};

struct Flags {
  std::vector<std::string> only;
  BenchOptions bench;
  bool json = false, help = false;
};

void print_help() {
  fmt::print(
      "usage: bench_speed [--only SECTION,…] [--json] [--threads N] [--rounds N]\n\n"
      "Measures how fast executables run on this host and prints every goal with what was "
      "measured\n"
      "and whether it holds. ONNX Runtime is the peer where node finds the package "
      "onnxruntime-node\n"
      "(NODE_PATH names the folder that it was installed to); without it its rows are left out.\n"
      "Contestants run in turn: a figure is the median of the rounds' ratios, its spread beside "
      "it.\n\n"
      "  --only A,B   these sections alone\n"
      "  --json       print JSON\n"
      "  --threads N  host threads, of both contestants; 2 unless given\n"
      "  --rounds N   rounds of a whole model; 5 unless given\n\n"
      "sections, with about what each takes on two idle cores:\n");
  int all = 0;
  for (const Section& section : kSections) {
    fmt::print("  {:<10} {:>4} s  {}\n", section.name, section.seconds, section.what);
    all += section.seconds;
  }
  fmt::print("  all        {:>4} s\n\nexample: bench_speed --only matmul,attention\n", all);
}

Error usage(std::string message) { return {std::move(message), ErrorKind::Usage}; }

Expected<int> positive(const std::string& flag, const std::string& text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && value > 0) return value;
  return usage(fmt::format("{}: '{}', must be a positive whole number", flag, text));
}

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

Expected<Flags> parse(const std::vector<std::string>& words) {
  Flags flags;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--json") {
      flags.json = true;
    } else if (word == "--help" || word == "-h") {
      flags.help = true;
    } else if (word == "--only" || word == "--threads" || word == "--rounds") {
      if (++i == words.size()) return usage(word + ": has no value, must have one");
      if (word == "--only") flags.only = TRY(section_names(words[i]));
      if (word == "--threads") flags.bench.threads = TRY(positive(word, words[i]));
      if (word == "--rounds") flags.bench.rounds = TRY(positive(word, words[i]));
    } else {
      return usage(fmt::format("'{}' is no option, must be one of --help", word));
    }
  }
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

// Whoever else used the processor while a section ran spoiled it: the share says how much.
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

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = std::filesystem::temp_directory_path().string() + "/bench_speed.XXXXXX";
    if (::mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }  // "" where none could be made

 private:
  std::string path_;
};

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

Status run(const Flags& flags) {
  const TemporaryFolder folder;
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

int fail(const Error& error) {
  fmt::print(stderr, "bench_speed: {}\n", error.message);
  return error.kind == ErrorKind::Usage ? 2 : 1;
}

}  // namespace
}  // namespace tessera::speed

int main(int argc, char** argv) {
  using namespace tessera::speed;
  if (argc > 1 && std::string(argv[1]) == "--child") return child_main(argc, argv);
  const tessera::Expected<Flags> flags = parse({argv + 1, argv + argc});
  if (!flags) return fail(flags.error());
  if (flags->help) {
    print_help();
    return 0;
  }
  const tessera::Status status = run(*flags);
  return status ? 0 : fail(status.error());
}
