// SPDX-License-Identifier: Apache-2.0
#include "compiler/plan/vertex_cost.h"

#include <algorithm>

#include "compiler/plan/grid.h"
#include "cost/exchange.h"
#include "support/check.h"

namespace tessera {

uint64_t vertex_cycles(std::string_view codelet, const std::vector<Param>& params,
                       std::vector<OperandShape> operands, const Target& target) {
  const Codelet* found = find_codelet(codelet);
  CHECK(found != nullptr);
  return found->cycles({&params, std::move(operands)}, target).value;
}

uint64_t receive_cycles(int64_t bytes, const Target& target, int64_t shared) {
  TileExchange load;
  load.received_bytes = bytes;
  load.shared_bytes = shared;
  return exchange_cycles(load, target).value;
}

uint64_t step_cycles(const Target& target) {
  return static_cast<uint64_t>(target.sync_cycles + target.setup_cycles);
}

uint64_t reduce_partials_cycles(int64_t parts, int64_t elements, DType partials, DType out,
                                const Target& target) {
  const int64_t own = std::min(elements, round_up(ceil_div(elements, target.tiles), 8));
  const uint64_t compute =
      vertex_cycles("reduce_partials", epilogue_params(false, false, 0),
                    {
                        {partials, {parts, 1, own}, false},
                        {out,      {1, 1, own},     true }
  },
                    target);
  return step_cycles(target) + receive_cycles(parts * own * size_of(partials), target) + compute;
}

std::vector<Param> epilogue_params(bool bias, bool residual, int activation) {
  return {
      {"bias",       {bias ? 1.0 : 0.0}               },
      {"residual",   {residual ? 1.0 : 0.0}           },
      {"activation", {static_cast<double>(activation)}}
  };
}

}  // namespace tessera
