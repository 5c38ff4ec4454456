// SPDX-License-Identifier: Apache-2.0
// The two ways to carry out a Program, behind one door. machine.h says what they have in common.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "codelets/matmul.h"
#include "executor/jit.h"
#include "executor/machine.h"
#include "executor/thread_pool.h"
#include "program/popef.h"
#include "support/expected.h"
#include "support/limits.h"

namespace tessera {

using HostInputs = std::span<const std::span<const std::byte>>;
using HostOutputs = std::span<const std::span<std::byte>>;

class Engine {
 public:
  virtual ~Engine() = default;
  // Buffers have their variables' sizes. `seconds`, by superstep, is added to unless empty; where
  // two supersteps are carried out as one, the second takes none.
  virtual Status run(HostInputs inputs, HostOutputs outputs, const UsedCells& used,
                     std::span<double> seconds) = 0;
  virtual int64_t host_bytes() const = 0;
  virtual HostWork host_work() const { return {}; }
  // Bytes that crossed from tile to tile in the last run, by superstep; empty where none are moved.
  virtual std::vector<int64_t> exchanged_bytes() const = 0;
};

// Both engines are made from these parts, which all outlive them.
struct EngineParts {
  const Executable& executable;
  Jit& jit;
  ThreadPool& pool;
  bool reverse_tiles = false;
  std::optional<std::byte> fill = {};
  bool small_pieces = false;
  MatMulBlocks blocks = {};
  Limits limits = {};
  Deadline load = Deadline(limits);  // when loading must have ended; each run has its own
};
Expected<std::unique_ptr<Engine>> make_direct_engine(const EngineParts& parts);
Expected<std::unique_ptr<Engine>> make_isolated_engine(const EngineParts& parts);

}  // namespace tessera
