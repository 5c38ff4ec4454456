// SPDX-License-Identifier: Apache-2.0
// The cost of one step of a plan, by the codelets' own formulas: the planner that chooses and the
// machine that counts must not disagree.
#pragma once

#include <string_view>
#include <vector>

#include "codelets/codelet.h"
#include "program/target.h"

namespace tessera {

// The codelet's own figure for a vertex with these operands.
uint64_t vertex_cycles(std::string_view codelet, const std::vector<Param>& params,
                       std::vector<OperandShape> operands, const Target& target);
// Cycles to receive `bytes` on one tile, `shared` of which its neighbour on the bus receives too.
uint64_t receive_cycles(int64_t bytes, const Target& target, int64_t shared = 0);
// The cost of a superstep before it does anything.
uint64_t step_cycles(const Target& target);
// Receiving, for each of `elements` of a [parts, elements] variable spread over all tiles, its
// parts, and adding them up.
uint64_t reduce_partials_cycles(int64_t parts, int64_t elements, DType partials, DType out,
                                const Target& target);
// The parameters of matmul and reduce_partials.
std::vector<Param> epilogue_params(bool bias, bool residual, int activation);

}  // namespace tessera
