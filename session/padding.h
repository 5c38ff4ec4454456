// SPDX-License-Identifier: Apache-2.0
// Batches of one shape on an executable of a larger one: rows and tokens are added before the run
// and cut off after it (what may be added, and why that is exact: compiler/padding.h).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "compiler/padding.h"
#include "executor/model_runner.h"
#include "session/key.h"
#include "support/expected.h"

namespace tessera {

struct HostTensor {
  DType dtype = DType::F32;
  Shape shape;
  std::vector<std::byte> bytes;  // row-major
};
using HostTensors = std::map<std::string, HostTensor>;

// What answers the batches of one shape.
struct Serving {
  std::shared_ptr<ModelRunner> runner;
  InputShapes asked;                           // every input's
  std::shared_ptr<const PaddingRule> padding;  // null: the runner has these shapes itself

  // The runner's anchors, with the shapes that were asked for.
  std::vector<Anchor> anchors() const;
  // One batch; every output, of the shapes asked for, in its anchor's dtype. Errors as of
  // ModelRunner::run.
  Expected<HostTensors> run(const InputViews& inputs) const;
};

// Whether every input of `larger` is [rows,tokens] and at least as large as that of `asked`, all by
// the same numbers.
bool covers(const InputShapes& larger, const InputShapes& asked);

// The smallest of `keys` that differs from `asked` in nothing but the sizes of inputs and covers
// them, then the first in order of shapes; null if there is none.
const ExecutableKey* smallest_that_serves(const std::vector<const ExecutableKey*>& keys,
                                          const ExecutableKey& asked);

}  // namespace tessera
