// SPDX-License-Identifier: Apache-2.0
// The sections of bench_packing: each gives figures beside what they must be.
#pragma once

#include <string>
#include <vector>

#include "support/expected.h"

namespace tessera::packing_bench {

enum class Must : uint8_t { BeAtLeast, BeAtMost, Equal };

struct Figure {
  std::string name;  // "window of 64, 16x256: fill"
  std::string unit;
  double got = 0;
  Must must = Must::BeAtLeast;
  double wanted = 0;

  bool holds() const {
    switch (must) {
      case Must::BeAtLeast: return got >= wanted;
      case Must::BeAtMost: return got <= wanted;
      case Must::Equal: return got == wanted;
    }
    return false;
  }
};

struct Options {
  std::string data;  // folder of the length histograms and their reference results
};

struct SectionResult {
  std::vector<Figure> figures;
  std::string left_out;  // what could not be done, and why; "" if nothing
};

// The sections, a file each.
// Fill and speed of the policies on 8,000 requests of PopRT's lengths (packing_policies.cpp).
Expected<SectionResult> policies(const Options& options);
// The published histogram packers' own results (packing_histograms.cpp).
Expected<SectionResult> histograms(const Options& options);
// The rates that policies hold online, in virtual time (packing_online.cpp).
Expected<SectionResult> online(const Options& options);

}  // namespace tessera::packing_bench
