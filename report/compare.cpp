// SPDX-License-Identifier: Apache-2.0
#include "report/compare.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kCounts[] = {"cycles",   "rearrange",  "exchange",     "compute",
                                   "sync",     "balance",    "amp",          "bytes_moved",
                                   "messages", "live_bytes", "result_bytes", "weight_bytes"};

Json total(const char* what, const Json& before, const Json& after) {
  return {
      {"what",   what  },
      {"before", before},
      {"after",  after }
  };
}

Json totals_json(const Json& before, const Json& after) {
  const auto of = [&](const char* what, const char* path) {
    const Json::json_pointer at(path);
    return total(what, before["inspection"].at(at), after["inspection"].at(at));
  };
  return {of("cycles", "/cycles/total"),
          of("compute", "/cycles/compute"),
          of("exchange", "/cycles/exchange"),
          total("rearrange", before["rearrange"], after["rearrange"]),
          of("sync", "/cycles/sync"),
          of("seconds_per_batch", "/cycles/seconds_per_batch"),
          of("peak_bytes", "/memory/peak_bytes"),
          of("always_live_bytes", "/memory/always_live_bytes"),
          total("supersteps", before["inspection"]["supersteps"].size(),
                after["inspection"]["supersteps"].size()),
          total("operations", before["operations"].size(), after["operations"].size())};
}

// The ONNX node whose result an operation is, however many others it stands for; several operations
// may have the same one.
std::string key_of(const Json& operation) {
  return operation["origin"].empty() ? operation["name"].dump() : operation["origin"].back().dump();
}

Json side_json(const Json& operation) {
  Json side;
  for (const char* count : kCounts) side[count] = operation[count];
  side["codelets"] = operation["codelets"];
  side["placed"] = operation["placed"];
  return side;
}

int64_t cycles_in(const Json& row, const char* side) {
  return row.contains(side) ? row[side]["cycles"].get<int64_t>() : 0;
}

// Most change first.
Json sorted_rows(std::vector<Json> rows) {
  std::ranges::stable_sort(rows, std::greater<>(), [](const Json& row) {
    return std::abs(row["cycles_change"].get<int64_t>());
  });
  return rows;
}

Json compile_counts(const Json& log) {
  std::map<std::string, std::pair<int64_t, double>> by_shapes;
  for (const Json& event : log["events"]) {
    if (event["kind"] != "cold_compile" && event["kind"] != "recompile") continue;
    auto& [count, seconds] = by_shapes[event["model"]["name"].get<std::string>() + ": " +
                                       event["shapes_in_words"].get<std::string>()];
    ++count;
    seconds += event["time"]["wall_ms"].get<double>() / 1e3;
  }
  Json json = Json::object();
  for (const auto& [shapes, sum] : by_shapes)
    json[shapes] = {
        {"compiles", sum.first },
        {"seconds",  sum.second}
    };
  return json;
}

}  // namespace

Json compare_executables(const Json& before, const Json& after) {
  std::map<std::string, std::vector<size_t>> others;  // of each key, in order
  for (size_t i = after["operations"].size(); i-- > 0;)
    others[key_of(after["operations"][i])].push_back(i);
  std::vector<bool> is_matched(after["operations"].size());
  std::vector<Json> rows;
  const auto add = [&](const Json* old_one, const Json* new_one) {
    const Json& named = old_one ? *old_one : *new_one;
    Json row = {
        {"name",   named["name"]                },
        {"origin", named["origin"]              },
        {"in",     !new_one   ? "before"
               : !old_one ? "after"
                          : "both"}
    };
    if (old_one) row["before"] = side_json(*old_one);
    if (new_one) row["after"] = side_json(*new_one);
    row["cycles_change"] = cycles_in(row, "after") - cycles_in(row, "before");
    row["moved"] = old_one && new_one && (*old_one)["placed"] != (*new_one)["placed"];
    rows.push_back(std::move(row));
  };
  for (const Json& operation : before["operations"]) {
    std::vector<size_t>& same = others[key_of(operation)];
    if (same.empty()) {
      add(&operation, nullptr);
      continue;
    }
    is_matched[same.back()] = true;
    add(&operation, &after["operations"][same.back()]);
    same.pop_back();
  }
  for (size_t i = 0; i < is_matched.size(); ++i)
    if (!is_matched[i]) add(nullptr, &after["operations"][i]);
  return {
      {"kind", "executables"},
      {"before", before["file"]},
      {"after", after["file"]},
      {"totals", totals_json(before, after)},
      {"operations", sorted_rows(std::move(rows))}
  };
}

Json compare_logs(const Json& before, const Json& after) {
  Json totals = Json::array(), rows = Json::array();
  for (const char* sum : {"events", "compiles", "failed_compiles", "compile_seconds",
                          "blocked_seconds", "requests_blocked"})
    totals.push_back(total(sum, before["sums"][sum], after["sums"][sum]));
  const Json old_ones = compile_counts(before), new_ones = compile_counts(after);
  Json all = old_ones;
  for (const auto& [shapes, sums] : new_ones.items()) all[shapes] = sums;
  for (const auto& [shapes, sums] : all.items()) {
    Json row = {
        {"shapes", shapes}
    };
    if (old_ones.contains(shapes)) row["before"] = old_ones[shapes];
    if (new_ones.contains(shapes)) row["after"] = new_ones[shapes];
    rows.push_back(std::move(row));
  }
  return {
      {"kind",     "logs"        },
      {"before",   before["file"]},
      {"after",    after["file"] },
      {"totals",   totals        },
      {"compiles", rows          }
  };
}

}  // namespace tessera
