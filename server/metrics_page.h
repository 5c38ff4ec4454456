// SPDX-License-Identifier: Apache-2.0
// /metrics: what Triton's dashboards look for, under its names and with its meanings, and beside it
// what packing and sessions count.
#pragma once

#include <cstdint>
#include <string>

#include "server/model_hub.h"

namespace tessera::server {

struct ServerCounts {
  int64_t open_connections = 0, http_requests = 0, refused_connections = 0;
  int64_t held_bytes = 0;  // of bodies and answers on their way
  uint64_t lost_log_lines = 0;
};

// Prometheus' text exposition format, version 0.0.4.
std::string metrics_page(const ModelHub& hub, const ServerCounts& server);

}  // namespace tessera::server
