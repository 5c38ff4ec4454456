// SPDX-License-Identifier: Apache-2.0
// Between sizes at which a model's graphs were found alike, a choice of the import may still fall
// otherwise: n == 5, 50 < n and n < 70, n modulo 7. The operands of the choices at the sizes that
// were tried say where.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "compiler/onnx/import/decision.h"

namespace tessera {

// By the size of an import, of rows or of tokens. The same model, alike in all else.
using DecisionsBySize = std::map<int64_t, std::vector<Decision>>;

struct DecidedSizes {
  std::vector<int64_t> sizes;  // to be tried too, ascending
  std::string undecided;       // else the node of a choice that may fall otherwise anywhere
};

// Sizes from 1 to `largest`. Operands that follow the size in a line or a parabola are continued;
// where others compare alike at all sizes that were tried, they are taken to do so at all.
DecidedSizes decided_sizes(const DecisionsBySize& tried, int64_t largest);

}  // namespace tessera
