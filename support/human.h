// SPDX-License-Identifier: Apache-2.0
// Numbers as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace tessera {

std::string human_bytes(int64_t bytes);     // "1.2 MiB"
std::string human_seconds(double seconds);  // "3.32 ms"
std::string human_count(int64_t count);     // "12,345,678"

}  // namespace tessera
