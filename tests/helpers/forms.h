// SPDX-License-Identifier: Apache-2.0
// Vertices of every codelet, as patterns: what sizes its operands have, in letters. For tests that
// ask something of all codelets.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "codelets/codelet.h"

namespace tessera {

// A letter in lower case is a size; the same letter in upper case is that size, or 1, which serves
// all. '1' is one, '+' the sum of what the operands before have there, and '*' any size.
struct OperandForm {
  std::string sizes;
  std::vector<DType> dtypes;  // one of these; none: that of operand 0
};

// The operand that is written stands last.
struct Form {
  std::string codelet;
  std::vector<Param> params;
  std::vector<OperandForm> operands;
};

// Each codelet in each of its ways, with some choices (a permutation, a tape) made at random.
std::vector<Form> all_forms(std::mt19937& random);

// The shapes of a vertex of this form, letters being sizes up to `most`; refers to form.params.
VertexShape vertex_of(const Form& form, int64_t most, std::mt19937& random);

}  // namespace tessera
