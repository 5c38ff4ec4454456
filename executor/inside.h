// SPDX-License-Identifier: Apache-2.0
// The proof, when an executable loads, that no call of a kernel leaves its variables.
// verify_program has shown it of the vertices; this shows it once more of what was made of them,
// joined and cut, so that a mistake there is an error and not a write to another's memory. It takes
// a few comparisons an operand.
#pragma once

#include <string_view>

#include "executor/joined.h"
#include "program/boxes.h"

namespace tessera {

// The view has the variable's elements, and the box lies inside it and is not empty. Errors:
// "operand 1: [0:5] of [4], must lie inside".
Status check_inside(const Program& program, VariableId variable, const Shape& view, const Box& box,
                    size_t operand);

// Checks every operand of the vertex, and calls the codelet's own check, on which its code relies.
Status check_inside(const Program& program, const JoinedVertex& vertex);

// "superstep 'layer0/query': WHAT", a BadFile error.
Error in_superstep(const Superstep& step, std::string_view what);

// The error of a run whose compiled code ended with this signal (support/fault.h).
Error fault_in(const Superstep& step, int signal);

}  // namespace tessera
