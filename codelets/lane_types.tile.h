// SPDX-License-Identifier: Apache-2.0
// Sixteen lanes of each kind: LLVM makes one 512-bit register of sixteen floats, two of 256 bits or
// four of 128.
#pragma once

#include "codelets/abi.h"

namespace tessera {

inline constexpr int64_t kLanes = 16;

using v16 = float __attribute__((ext_vector_type(16)));
using i16 = int __attribute__((ext_vector_type(16)));
using h16 = _Float16 __attribute__((ext_vector_type(16)));
using b16 = unsigned char __attribute__((ext_vector_type(16)));
using c16 = signed char __attribute__((ext_vector_type(16)));

#define TILE_INLINE [[gnu::always_inline]] inline

// Memory aligns to the element only. (An alias by `using` would keep the vector's alignment.)
typedef v16 v16_in_memory __attribute__((aligned(4), may_alias));
typedef i16 i16_in_memory __attribute__((aligned(4), may_alias));
typedef h16 h16_in_memory __attribute__((aligned(2), may_alias));
typedef b16 b16_in_memory __attribute__((aligned(1), may_alias));

TILE_INLINE v16 splat(float value) { return v16(value); }

}  // namespace tessera
