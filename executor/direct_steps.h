// SPDX-License-Identifier: Apache-2.0
// The supersteps of the direct machine: their vertices joined, and the calls that they are cut
// into.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "codelets/abi.h"
#include "executor/hidden_check.h"
#include "executor/index_check.h"
#include "executor/jit.h"
#include "executor/joined.h"
#include "executor/slots.h"
#include "executor/used_parts.h"
#include "program/popef.h"

namespace tessera {

struct Calls {
  std::vector<VertexOperand> operands;  // of every piece, one after the other
  int64_t pieces = 0;

  int64_t bytes() const { return static_cast<int64_t>(operands.size() * sizeof(VertexOperand)); }
};

// A number of parts that is less than the whole batch's.
struct Fewer {
  enum class State : uint8_t { NotMade, Made, NoRoom };
  int64_t count = 0;
  State calls = State::NotMade;
};

// A superstep, or two that are carried out as one.
struct DirectStep {
  size_t superstep = 0;  // the first
  Kernel kernel;
  std::vector<JoinedVertex> vertices;  // once loaded, of steps that can stop early alone
  int64_t operands_each = 0;
  Calls calls;                                 // for the whole batch
  StepStops stops;                             // how it stops early, if it can
  ByPartKind<std::vector<Calls>> short_calls;  // for fewer parts, by count; empty: it takes all
  std::optional<IndexRule> index_rule;
  std::vector<VertexOperand> indices;  // that it asks about, each once
  std::optional<int64_t> cast_rule;
  std::optional<HiddenRule> hidden_rule;

  bool stops_by(PartKind kind) const { return !stops[static_cast<size_t>(kind)].axes.empty(); }
  bool stops_early() const {
    return std::ranges::any_of(kPartKinds, [&](PartKind k) { return stops_by(k); });
  }
};

// A product and the sum of its partials are one step where nothing else reads the partials.
Expected<std::vector<DirectStep>> join_steps(const Program& program, const Deadline& deadline,
                                             Budget& memory);

// How each step stops behind the last row, request or cell that is used.
std::vector<StepStops> short_steps_of(const Executable& executable,
                                      const std::vector<DirectStep>& steps,
                                      const BatchParts& batch);

// First and last step that touches each variable; host copies stand before and after all. A
// variable that none touches takes no room.
std::vector<Lifetime> lifetimes(const Program& program, const std::vector<DirectStep>& steps);

}  // namespace tessera
