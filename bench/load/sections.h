// SPDX-License-Identifier: Apache-2.0
// The sections of bench_server: each serves an executable, calls it, and adds rows to the table.
#pragma once

#include <string>

#include "bench/speed/table.h"
#include "support/expected.h"

namespace tessera::load {

struct Flags {
  int requests = 20'000;  // mixed ones
  int connections = 10'000;
  int rounds = 5;
  int callers = 32;
  bool json = false;
};

// The time that REST and gRPC add to a small request.
Status measure_overhead(const Flags& flags, const std::string& popef, speed::Table& table);
// Tokens per second of many callers.
Status measure_tokens(const Flags& flags, const std::string& popef, speed::Table& table);
// Many connections, held open.
Status measure_connections(const Flags& flags, const std::string& popef, speed::Table& table);
// Callers of every kind.
Status measure_mixed(const Flags& flags, const std::string& popef, speed::Table& table);

}  // namespace tessera::load
