// SPDX-License-Identifier: Apache-2.0
#include "cost/kept.h"

#include <algorithm>
#include <functional>

#include "codelets/codelet.h"
#include "support/check.h"

namespace tessera {
namespace {

// The superstep before, or, where each turn has a sum of partials of its own, the one before that.
constexpr size_t kFarthestTurn = 2;

bool is_product(const ComputeSet& set) {
  const Codelet* codelet = find_codelet(set.codelet);
  CHECK(codelet != nullptr);  // verify_program has asked
  return codelet->role == Role::Product;
}

// Do both read the same variables, on the same tiles?
bool are_turns(const ComputeSet& a, const ComputeSet& b) {
  if (a.codelet != b.codelet || a.grid != b.grid || a.operands.size() != b.operands.size())
    return false;
  for (size_t i = 0; i < a.operands.size(); ++i) {
    const Operand &is = a.operands[i], &was = b.operands[i];
    if (is.writes != was.writes) return false;
    if (!is.writes && is.region.variable != was.region.variable) return false;
  }
  return true;
}

}  // namespace

const Superstep* turn_before(const Program& program, const Superstep& step) {
  const Superstep* first = program.supersteps.data();
  const std::less<const Superstep*> is_before;
  if (is_before(&step, first) || !is_before(&step, first + program.supersteps.size()))
    return nullptr;
  if (!is_product(step.compute)) return nullptr;
  const auto at = static_cast<size_t>(&step - first);
  for (size_t back = 1; back <= std::min(at, kFarthestTurn); ++back) {
    const Superstep& before = program.supersteps[at - back];
    if (are_turns(step.compute, before.compute)) return &before;
  }
  return nullptr;
}

bool is_kept(const Superstep* before, const Transfer& transfer) {
  return before != nullptr &&
         std::ranges::find(before->exchange, transfer) != before->exchange.end();
}

}  // namespace tessera
