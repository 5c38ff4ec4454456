// SPDX-License-Identifier: Apache-2.0
#include "program/program.h"

#include <algorithm>

namespace tessera {

int64_t stage_count(const Program& program) {
  int64_t last = 0;
  for (const Superstep& step : program.supersteps) last = std::max(last, step.stage);
  return last + 1;
}

}  // namespace tessera
