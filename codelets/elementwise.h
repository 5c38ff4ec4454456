// SPDX-License-Identifier: Apache-2.0
// Opcodes of the elementwise codelet's tape. Shared by lowering, which writes tapes, and the
// vertex, which runs them; never renumbered, because they stand in files.
//
// In the i32 domain Add, Sub, Mul and Pow wrap, Div cuts off towards zero, a division by 0 gives 0
// and INT_MIN / -1 gives INT_MIN; the opcodes of real functions (Exp .. GeluTanh but Floor) are not
// there. A float becomes an i32 by cutting off, at the ends of its range; NaN becomes 0.
#pragma once

#include "codelets/abi.h"

namespace tessera {

enum class Tape : int {
  Add = 0,
  Sub = 1,
  Mul = 2,
  Div = 3,
  Pow = 4,
  Max = 5,
  Min = 6,
  Equal = 7,
  Less = 8,
  And = 9,  // result 0 or 1
  Not = 10,
  Abs = 11,
  Exp = 12,
  Log = 13,
  Sqrt = 14,
  Floor = 15,
  Erf = 16,
  Tanh = 17,
  GeluErf = 18,
  GeluTanh = 19,
  Select = 20,    // a != 0 ? b : c
  Truncate = 21,  // towards zero: a cast to i32 inside an f32 tape
  NotZero = 22,   // a cast to bool
};
inline constexpr int kTapeOpcodes = 23;
inline constexpr int kMaxTapeRows = 64;
inline constexpr int kMaxTapeInputs = 12;
inline constexpr int kMaxTapeConstants = 2 * kMaxTapeRows;  // a row of constants alone is folded

// Elements that the vertex takes through the whole tape at a time, by registers in host scratch.
inline constexpr int64_t kTapeChunk = 256;

struct TapeRow {
  uint8_t opcode, a, b, c;  // operands past the opcode's are 0
};

struct ElementwiseConstants {
  int64_t inputs, constants, rows;
  int64_t in_i32;   // the domain
  int64_t opcodes;  // bit i: opcode i is in the tape
  Element out;
  Element input[kMaxTapeInputs];
  TapeRow tape[kMaxTapeRows];
  int32_t values[kMaxTapeConstants];  // of the constants: floats' bits or integers, by domain
};

}  // namespace tessera
