// SPDX-License-Identifier: Apache-2.0
// The work of one run, added up when a Program loads, so that a run that cannot end in its time is
// refused before it begins. It is a bound and no forecast: only what no host could do in the time
// is refused, or one call of a kernel, which cannot be stopped, that would go on long after it.
#pragma once

#include <cstdint>

#include "support/expected.h"
#include "support/limits.h"

namespace tessera {

class RunWork {
 public:
  // Adds `times` calls of a kernel whose work (pieces.h) is `terms` terms of products.
  void add(int64_t terms, int64_t times = 1);
  // Errors: "run: takes as long as 1e+18 terms, must be at most …".
  Status check(int threads, const Limits& limits) const;

 private:
  double all_ = 0;
  int64_t largest_ = 0;
};

}  // namespace tessera
