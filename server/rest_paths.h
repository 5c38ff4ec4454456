// SPDX-License-Identifier: Apache-2.0
// The pages of the REST service by their paths.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tessera::server {

enum class RestPage : uint8_t {
  None,  // there is no such page
  Server,
  Live,
  Ready,
  Model,
  ModelReady,
  ModelStats,
  AllStats,
  Infer,
  Stream,
  Index,
  Load,
  Unload,
  Metrics
};

struct RestPath {
  RestPage page = RestPage::None;
  std::string model, version;
};

// Reads a request's target; what stands behind '?' is not looked at.
RestPath parse_path(std::string_view target);
const char* method_of(RestPage page);  // "GET" or "POST"

}  // namespace tessera::server
