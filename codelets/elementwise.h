// SPDX-License-Identifier: Apache-2.0
// Lowering writes tapes and the vertex runs them; both include this.
#pragma once

#include "codelets/abi.h"

namespace tessera {

enum class Tape : int {
#define OPCODE(name, number, ...) name = number,
#include "codelets/opcodes.def"
#undef OPCODE
};
inline constexpr Tape kEveryOpcode[] = {
#define OPCODE(name, ...) Tape::name,
#include "codelets/opcodes.def"
#undef OPCODE
};
inline constexpr int kTapeOpcodes = static_cast<int>(sizeof(kEveryOpcode) / sizeof(Tape));
inline constexpr int kMaxTapeRows = 64;
inline constexpr int kMaxTapeInputs = 12;
inline constexpr int kMaxTapeConstants = 2 * kMaxTapeRows;  // a row of constants alone is folded

// Elements that the vertex takes through the whole tape at a time, by registers in host scratch.
inline constexpr int64_t kTapeChunk = 256;

struct TapeRow {
  uint8_t opcode, a, b, c;  // operands past the opcode's are 0
};

}  // namespace tessera
