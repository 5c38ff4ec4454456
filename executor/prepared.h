// SPDX-License-Identifier: Apache-2.0
// Weights in the layout that their codelet wants, made once when the program loads and kept: a
// matmul that found its panels in rows would lose a fifth of its speed to rearranging them.
//
// Layers that share a weight (ALBERT's all do) share its prepared form.
#pragma once

#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "executor/engine.h"
#include "executor/host_memory.h"
#include "executor/vertex.h"

namespace tessera {

// The prepared regions of one operand, by region key.
struct PreparedRegions {
  HostBuffer buffer;
  int64_t bytes_each = 0;
  std::byte* at(int64_t key) const { return buffer.data() + key * bytes_each; }
};

class PreparedConstants {
 public:
  // Those of every operand that is a constant and wants a prepared form.
  static Expected<PreparedConstants> prepare(const EngineParts& parts);
  // Null where the operand is none of them.
  const PreparedRegions* find(size_t step, size_t operand) const;
  int64_t bytes() const { return bytes_; }

 private:
  std::map<std::pair<size_t, size_t>, std::shared_ptr<const PreparedRegions>> by_operand_;
  int64_t bytes_ = 0;
};

// First byte of a constant. The machine only reads it; the vertex ABI has one pointer for both.
std::byte* constant_bytes(const Executable& executable, VariableId variable);

}  // namespace tessera
