// SPDX-License-Identifier: Apache-2.0
// Integers of a model that the Graph does not have: those of 64 bits that int32 does not hold, and
// those of 8 bits. Both pass through operations that move values; to compute with them is refused.
#pragma once

#include <cstdint>
#include <optional>

#include "compiler/onnx/import/call.h"
#include "compiler/onnx/import/op_table.h"
#include "support/expected.h"

namespace tessera {

// An int64 that int32 does not hold may pass through and end as a bound; to compute with it
// would be wrong.
std::optional<int64_t> wide_operand(const OnnxOp& op, const Call& call);
Status check_wide(const OnnxOp& op, const Call& call);

// An 8-bit integer is an i32 in the Graph. An operation that moves or compares it gives the same
// in both types. A sum would have to wrap at 8 bits, so such operations are refused.
int32_t narrow_type(const Call& call);  // of the first operand that is one; UNDEFINED: none
Status check_narrow(const OnnxOp& op, const Call& call, const OnnxValue& result);

}  // namespace tessera
