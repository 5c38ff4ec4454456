// SPDX-License-Identifier: Apache-2.0
#include "tools/verbs/inspect_against.h"

#include <fmt/format.h>

#include "report/compare.h"
#include "report/html.h"
#include "report/logs.h"
#include "report/machine.h"
#include "support/human.h"
#include "tools/print/print.h"

namespace tessera::tools {
namespace {

using Json = nlohmann::ordered_json;

Json comparable(const ReportedExecutable& reported) {
  const Program& program = reported.executable.program;
  const ProgramCost cost = program_cost(program);
  const MemoryReport memory = program_memory(program);
  return comparable_json(reported, {program, cost, memory});
}

std::string signed_count(int64_t change) {
  return (change > 0 ? "+" : "") + (change < 0 ? "-" + human_count(-change) : human_count(change));
}

std::string number(const Json& value) {
  return value.is_number_integer() ? human_count(value.get<int64_t>())
                                   : human_seconds(value.get<double>());
}

void print_totals(const Json& difference) {
  print("{:<20} {:>16} {:>16} {:>9}\n", "", "before", "after", "change");
  for (const Json& row : difference["totals"]) {
    const auto before = row["before"].get<double>(), after = row["after"].get<double>();
    print("{:<20} {:>16} {:>16} {:>9}\n", in_words(row["what"].get<std::string>()),
          number(row["before"]), number(row["after"]),
          before == 0 ? "" : fmt::format("{:+.1f} %", 100 * (after / before - 1)));
  }
}

int64_t count_in(const Json& row, const char* side, const char* what) {
  return row.contains(side) ? row[side][what].get<int64_t>() : 0;
}

void print_operation(const Json& row) {
  const auto change = [&](const char* what) {
    return signed_count(count_in(row, "after", what) - count_in(row, "before", what));
  };
  const auto name = row["name"].get<std::string>();
  const auto in = row["in"].get<std::string>();
  print(
      "{:<36} {:>12} {:>12} {:>12} {:>14} {:>14} {}\n",
      name.size() > 36 ? "…" + name.substr(name.size() - 35) : name,
      human_count(count_in(row, "before", "cycles")), human_count(count_in(row, "after", "cycles")),
      change("cycles"), change("bytes_moved"), change("live_bytes"),
      in != "both" ? "only " + in : std::string(row["moved"].get<bool>() ? "lies elsewhere" : ""));
}

void print_json_of(const Json& difference) {
  Json document = {
      {"schema", "tessera-difference/1"}
  };
  document.update(difference);
  print_json(document, 2);
}

void print_compiles(const Json& row) {
  const auto compiles = [&](const char* side) {
    return row.contains(side) ? human_count(row[side]["compiles"].get<int64_t>()) : "";
  };
  const auto spent = [&](const char* side) {
    return row.contains(side) ? human_seconds(row[side]["seconds"].get<double>()) : "";
  };
  print("{:>9} {:>9} {:>12} {:>12}  {}\n", compiles("before"), compiles("after"), spent("before"),
        spent("after"), row["shapes"].get<std::string>());
}

}  // namespace

void print_against(const ReportedExecutable& before, const ReportedExecutable& after,
                   bool as_json) {
  const Json difference = compare_executables(comparable(before), comparable(after));
  if (as_json) return print_json_of(difference);
  print("{} -> {}\n", before.file, after.file);
  print_totals(difference);
  print("\n{:<36} {:>12} {:>12} {:>12} {:>14} {:>14}\n", "ONNX nodes, most change first",
        "cycles before", "after", "change", "bytes moved", "most live");
  size_t same = 0;
  for (const Json& row : difference["operations"]) {
    const bool differs = row["in"] != "both" || row["before"] != row["after"];
    if (differs)
      print_operation(row);
    else
      ++same;
  }
  print("{} operations are the same\n", same);
}

void print_against(const ReportedLog& before, const ReportedLog& after, bool as_json) {
  const Json difference = compare_logs(log_json(before), log_json(after));
  if (as_json) return print_json_of(difference);
  print("{} -> {}\n", before.file, after.file);
  print_totals(difference);
  print("\n{:>9} {:>9} {:>12} {:>12}  {}\n", "compiles", "after", "took", "after",
        "model and shapes");
  for (const Json& row : difference["compiles"]) print_compiles(row);
}

}  // namespace tessera::tools
