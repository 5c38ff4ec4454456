// SPDX-License-Identifier: Apache-2.0
// This bench measures the cost of serving. The server runs in this process, and its clients use
// real sockets; the same requests go to the same kind of PackRunner directly, for comparison.
#include <fmt/format.h>

#include <iostream>

#include "bench/bench_folder.h"
#include "bench/command_line.h"
#include "bench/load/sections.h"
#include "bench/speed/bench.h"
#include "bench/speed/workload.h"

namespace tessera::load {
namespace {

namespace po = tools::po;

po::options_description command_flags() {
  po::options_description flags("bench_server");
  flags.add_options()("only", po::value<std::string>(),
                      "one of overhead, tokens, connections, mixed")(
      "json", po::bool_switch(), "print JSON")("rounds", po::value<int>(), "5 unless given")(
      "requests", po::value<int>(), "of the section mixed; 20,000 unless given")(
      "connections", po::value<int>(), "10,000 unless given")("callers", po::value<int>(),
                                                              "at once; 32 unless given");
  return flags;
}

void print_help() {
  fmt::print(
      "usage: bench_server [--only SECTION] [--json] [--rounds N] [--requests N]\n"
      "                    [--connections N] [--callers N]\n\n"
      "Measures `tessera serve` beside the runner that it serves: what REST and gRPC add to a "
      "small\n"
      "request, tokens per second of many callers, connections held open, and callers of every "
      "kind.\n"
      "Server and clients share this host's processors.\n\n");
  std::cout << command_flags() << std::flush;
  fmt::print("\nexample: bench_server --only mixed --requests 1000000\n");
}

Status run(const po::variables_map& map) {
  Flags flags;
  flags.json = map["json"].as<bool>();
  TRY(set_positive(map, "rounds", flags.rounds));
  TRY(set_positive(map, "requests", flags.requests));
  TRY(set_positive(map, "connections", flags.connections));
  TRY(set_positive(map, "callers", flags.callers));
  const std::string only = map.contains("only") ? map["only"].as<std::string>() : "";

  const BenchFolder folder("bench_server");
  if (folder.path().empty()) return Error{"no temporary folder can be made, must be for models"};
  const auto bench = TRY(speed::Bench::create(folder.path(), {}));
  const auto popef_of = [&](const std::string& preset, int64_t rows,
                            int64_t length) -> Expected<std::string> {
    CompileOptions options = speed::bert_options(rows, length);
    options.passes = {"insert_attention_mask"};
    options.target = speed::roomy_target(1472);
    const std::string model = TRY(bench->model(preset, TRY(make_model_preset(preset))));
    return bench->executable(preset, model, options);
  };
  const struct {
    const char *name, *preset;
    int64_t rows, length;
    Status (*measure)(const Flags&, const std::string&, speed::Table&);
  } sections[] = {
      {"overhead",    "tiny",   4,  32,  measure_overhead   },
      {"tokens",      "minilm", 16, 256, measure_tokens     },
      {"connections", "tiny",   4,  32,  measure_connections},
      {"mixed",       "tiny",   4,  32,  measure_mixed      }
  };
  bool any = false;
  for (const auto& section : sections) {
    if (!only.empty() && only != section.name) continue;
    any = true;
    const size_t before = bench->table().rows().size();
    const std::string popef = TRY(popef_of(section.preset, section.rows, section.length));
    TRY(section.measure(flags, popef, bench->table()));
    if (!flags.json) fmt::print("{}", bench->table().text(before));
  }
  if (!any)
    return Error{fmt::format("--only: '{}', must be overhead, tokens, connections or mixed", only),
                 ErrorKind::Usage};
  if (flags.json) fmt::print("{}\n", bench->table().json().dump(2));
  return {};
}

}  // namespace
}  // namespace tessera::load

int main(int argc, char** argv) {
  using namespace tessera::load;
  return tessera::bench_main({"bench_server", command_flags(), print_help, run}, argc, argv);
}
