// SPDX-License-Identifier: Apache-2.0
#include "serving/bench.h"
#include "serving/latencies.h"
#include "serving/latencies_json.h"

namespace tessera {

double BenchRun::fill() const {
  return static_cast<double>(tokens) / static_cast<double>(batches * row_tokens);
}

nlohmann::ordered_json to_json(const Latencies& latencies) {
  nlohmann::ordered_json json = {
      {"mean", latencies.mean()}
  };
  for (const auto& [name, share] : kQuantiles) json[std::string(name)] = latencies.at(share);
  return json;
}

nlohmann::ordered_json to_json(const BenchRun& run) {
  const auto count = static_cast<double>(run.requests), batches = static_cast<double>(run.batches);
  nlohmann::ordered_json json = {
      {"executable", run.executable     },
      {"label",      run.label          },
      {"form",       to_string(run.form)},
      {"batches",    run.batches        }
  };
  if (run.requests > 0) {
    json["requests"] = run.requests;
    json["fill"] = run.fill();
  }
  json["host_seconds"] = run.host_seconds;
  json["host_batches_per_second"] = batches / run.host_seconds;
  if (run.requests > 0) json["host_samples_per_second"] = count / run.host_seconds;
  json["batch_seconds"] = to_json(Latencies(run.batch_seconds));
  if (!run.latencies.empty()) json["latency_seconds"] = to_json(Latencies(run.latencies));
  json["modelled_ipu_seconds"] = run.modelled_ipu_seconds;
  json["modelled_ipu_batches_per_second"] = batches / run.modelled_ipu_seconds;
  if (run.requests > 0) json["modelled_ipu_samples_per_second"] = count / run.modelled_ipu_seconds;
  for (const auto& [reason, closed] : run.closed_for)
    json["closed_for"][std::string(to_string(reason))] = closed;
  return json;
}

nlohmann::ordered_json to_json(const BenchResult& result) {
  nlohmann::ordered_json json = {
      {"schema", "tessera-bench/1"              },
      {"runs",   nlohmann::ordered_json::array()}
  };
  for (const BenchRun& run : result.runs) json["runs"].push_back(to_json(run));
  for (const BenchDifference& one : result.differences)
    json["errors"].push_back({
        {"a",      one.a     },
        {"b",      one.b     },
        {"output", one.output},
        {"mae",    one.mae   }
    });
  return json;
}

}  // namespace tessera
