// SPDX-License-Identifier: Apache-2.0
// Opcodes of the elementwise codelet's tape. Shared by lowering, which writes tapes, and the
// vertex, which runs them; never renumbered, because they stand in files.
#pragma once

namespace tessera {

enum class Tape : int {
  Add = 0, Sub = 1, Mul = 2, Div = 3, Pow = 4, Max = 5, Min = 6,
  Equal = 7, Less = 8, And = 9,             // result 0 or 1
  Not = 10, Abs = 11, Exp = 12, Log = 13, Sqrt = 14, Floor = 15, Erf = 16, Tanh = 17,
  GeluErf = 18, GeluTanh = 19,
  Select = 20,                              // a != 0 ? b : c
  Truncate = 21,                            // towards zero: a cast to i32 inside an f32 tape
  NotZero = 22,                             // a cast to bool
};
inline constexpr int kTapeOpcodes = 23;
inline constexpr int kMaxTapeRows = 64;
inline constexpr int kMaxTapeInputs = 12;

}  // namespace tessera
