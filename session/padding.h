// SPDX-License-Identifier: Apache-2.0
// Runs batches of one shape on an executable of a larger shape: rows and tokens are added before
// the run and cut off after it. The executable's contract says what may be added
// (PackingContract::request_size), as its compiler has proved.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "executor/model_runner.h"
#include "executor/not_finite.h"
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
  InputShapes asked;       // of every input, as the caller has it
  bool is_padded = false;  // false: the runner has exactly these shapes

  // The runner's anchors, with the shapes that were asked for.
  std::vector<Anchor> anchors() const;
  // Runs one batch. Returns every output in its anchor's dtype, cut to the shapes that were asked
  // for. Errors as of ModelRunner::run.
  Expected<HostTensors> run(const InputViews& inputs) const;
  // The outputs that hold infinities or NaN, of a runner in half precision.
  std::vector<NotFinite> not_finite(const HostTensors& outputs) const;
};

// Whether the inputs of both are [rows,tokens], of one size within each, and those of `larger` have
// at least as many rows and tokens.
bool covers(const InputShapes& larger, const InputShapes& asked);

// Why batches of these shapes may not be padded to this executable; "" if they may.
std::string why_not_padded(const Metadata& larger, const InputShapes& asked);

// The smallest of `keys` that differs from `asked` only in the sizes of inputs and covers them; of
// equally small ones the first in the order of shapes. Null if there is none.
const ExecutableKey* smallest_that_serves(const std::vector<const ExecutableKey*>& keys,
                                          const ExecutableKey& asked);

}  // namespace tessera
