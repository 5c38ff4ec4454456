// SPDX-License-Identifier: Apache-2.0
// One caller's text, and what the model said of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tessera {

// One request: its token inputs, 1-D, all of one length. `ids` is mandatory; other token inputs
// default to 0. A caller's mask must be all ones where given: a hole is refused.
struct Request {
  std::map<std::string, std::vector<int32_t>> tokens;
};

struct Answer {
  // By output: the request's own items only, row-major bytes in the anchor's dtype.
  std::map<std::string, std::vector<std::byte>> outputs;
  uint64_t batch = 0;   // which batch it rode in
  int64_t ordinal = 0;  // its place there, from 0
};

}  // namespace tessera
