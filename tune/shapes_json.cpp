// SPDX-License-Identifier: Apache-2.0
#include "tune/shapes.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

double in_seconds(Time time) { return std::chrono::duration<double>(time).count(); }

Json to_json(const TriedShape& shape) {
  const PackingContract& contract = shape.contract;
  Json json = {
      {"form",          to_string(contract.form)},
      {"rows",          contract.rows           },
      {"row_length",    contract.row_length     },
      {"max_valid_num", contract.max_valid_num  },
      {"command",       shape.command           }
  };
  if (!shape.file.empty()) json["executable"] = shape.file;
  if (!shape.failure.empty()) {
    json["failure"] = shape.failure;
    return json;
  }
  const TunedShape& tuned = shape.tuned;
  json["modelled_seconds_per_batch"] = shape.seconds_per_batch;
  json["window"] = tuned.rule.window;
  json["pinned"] = tuned.rule.pinned;
  json["token_fill"] = tuned.occupancy.token_fill();
  json["requests_per_batch"] =
      static_cast<double>(tuned.occupancy.requests) / static_cast<double>(tuned.occupancy.batches);
  json["modelled_requests_per_second"] = tuned.requests_per_second;
  json["rate"] = tuned.rate;
  json["keeps_up"] = tuned.keeps_up;
  json["timeout_microseconds"] = in_seconds(tuned.time_limit) * 1e6;
  json["p50_seconds"] = in_seconds(tuned.p50);
  json["p99_seconds"] = in_seconds(tuned.p99);
  return json;
}

}  // namespace

Json tuning_json(std::span<const TriedShape> shapes, const TriedShape* best,
                 const std::string& lengths, const std::string& costs) {
  Json json = {
      {"schema",  "tessera-pack-tune/1"},
      {"lengths", lengths              },
      {"costs",   costs                },
      {"best",    nullptr              }
  };
  for (const TriedShape& shape : shapes) json["candidates"].push_back(to_json(shape));
  if (best) json["best"] = to_json(*best);
  return json;
}

}  // namespace tessera
