// SPDX-License-Identifier: Apache-2.0
// bench_packing: what packing promises, measured. A section is a row; each prints its figures
// beside what they must be, and the exit code is 1 if one does not hold.
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "bench/command_line.h"
#include "bench/packing.h"

namespace tessera::packing_bench {
namespace {

namespace po = tools::po;
using Json = nlohmann::ordered_json;

struct Section {
  const char* name;
  const char* what;
  Expected<SectionResult> (*run)(const Options& options);
};

constexpr Section kSections[] = {
    {"policies",   "8,000 requests of PopRT's lengths at 16x256, offline",    policies  },
    {"histograms", "SPFHP and LPFHP on published histograms",                 histograms},
    {"online",     "Poisson arrivals at 16x256, 10 ms a batch, virtual time", online    },
};

// $TESSERA_SHARED, or the folder `shared` beside the sources, as the tests.
std::string default_data() {
  const char* given = std::getenv("TESSERA_SHARED");
  const std::filesystem::path shared =
      given ? std::filesystem::path(given)
            : std::filesystem::path(TESSERA_SOURCE_DIR).parent_path() / "shared";
  return shared / "data";
}

po::options_description flags() {
  po::options_description flags("bench_packing");
  flags.add_options()("section", po::value<std::string>()->default_value(""),
                      "run this section only")(
      "data", po::value<std::string>()->default_value(default_data()),
      "folder of length_histogram_*.csv and packing_reference.csv")("json", po::bool_switch(),
                                                                    "print the figures as JSON");
  return flags;
}

const char* words_of(Must must) {
  switch (must) {
    case Must::BeAtLeast: return "at least";
    case Must::BeAtMost: return "at most";
    case Must::Equal: return "exactly";
  }
  return "";
}

Json to_json(const SectionResult& result) {
  Json json = {
      {"left_out", result.left_out},
      {"figures",  Json::array()  }
  };
  for (const Figure& figure : result.figures)
    json["figures"].push_back({
        {"name",   figure.name          },
        {"unit",   figure.unit          },
        {"got",    figure.got           },
        {"must",   words_of(figure.must)},
        {"wanted", figure.wanted        },
        {"holds",  figure.holds()       }
    });
  return json;
}

void print(const Section& section, const SectionResult& result) {
  fmt::print("\n{}: {}\n", section.name, section.what);
  if (!result.left_out.empty()) fmt::print("  left out: {}\n", result.left_out);
  for (const Figure& figure : result.figures)
    fmt::print("  {:<52} {:>12.8g} {}; must be {} {:.8g}{}\n", figure.name, figure.got, figure.unit,
               words_of(figure.must), figure.wanted, figure.holds() ? "" : "  DOES NOT HOLD");
}

Status run(const po::variables_map& map) {
  const Options options{map["data"].as<std::string>()};
  const std::string only = map["section"].as<std::string>();
  Json json = Json::object();
  int64_t broken = 0, ran = 0;
  for (const Section& section : kSections) {
    if (!only.empty() && only != section.name) continue;
    const SectionResult result = TRY(section.run(options));
    ++ran;
    for (const Figure& figure : result.figures) broken += !figure.holds();
    if (map["json"].as<bool>())
      json[section.name] = to_json(result);
    else
      print(section, result);
  }
  if (ran == 0)
    return Error{"--section: '" + only + "', must be a section that --help lists",
                 ErrorKind::Usage};
  if (map["json"].as<bool>()) fmt::print("{}\n", json.dump(2));
  if (broken > 0) return Error{fmt::format("{} figures do not hold", broken)};
  return {};
}

void print_help() {
  std::cout << flags() << "\nSections:\n" << std::flush;
  for (const Section& section : kSections) fmt::print("  {:<12} {}\n", section.name, section.what);
}

}  // namespace
}  // namespace tessera::packing_bench

int main(int argc, char** argv) {
  using namespace tessera::packing_bench;
  return tessera::bench_main({"bench_packing", flags(), print_help, run}, argc, argv);
}
