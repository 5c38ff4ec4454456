// SPDX-License-Identifier: Apache-2.0
// What `tessera bench --online` says of a run.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "packing/picture.h"
#include "serving/batch_former.h"

namespace tessera::tools {

struct OnlineFigures {
  std::string clock;              // "virtual" or "host"
  double batch_seconds = 0;       // what a batch takes, and by what
  std::string batch_time;         // "given", "modelled" or "measured"
  int64_t requests = 0;           // that came
  double seconds = 0;             // from the first arrival to the last answer
  std::vector<double> latencies;  // seconds, of the answered: submission to answer
  std::vector<FormedBatch> batches;
  OnlineMetrics metrics;
};

nlohmann::ordered_json to_json(const OnlineFigures& figures);
void print_figures(const OnlineFigures& figures);
// The batch as a picture, what is in it, and why it was closed.
std::string explain(const PackingContract& contract, const FormerConfig& config,
                    const FormedBatch& batch, const PictureOptions& picture);

}  // namespace tessera::tools
