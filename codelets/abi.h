// SPDX-License-Identifier: Apache-2.0
// The machine hands these to a vertex. Both sides include this file: the codelets, compiled to LLVM
// bitcode by clang 19 at build time and for the host by ORC when an executable loads, and the
// machine. Plain C++ without any library.
//
// A codelet `foo` (foo.tile.cpp) defines
//   extern "C" void foo(const VertexOperand* operands, void* scratch);
// and declares, if it is specialised by constants,
//   extern "C" const FooConstants foo_constants;
// which the JIT fills in before it compiles.
#pragma once

#include <stdint.h>

namespace tessera {

inline constexpr int kVertexRank = 8;

// Element types, numbered as DType (support/type.h).
enum class Element : int64_t {
  F32 = 0,
  F16 = 1,
  I32 = 2,
  Bool = 3,
  I8 = 4,
  U8 = 5,
  F143 = 6,
  F152 = 7
};

// The host's vector registers. A codelet that blocks for them declares
//   extern "C" const HostVectors host_vectors;
// and the JIT fills it in. It may choose speed by them, and never a bit of a result.
struct HostVectors {
  int64_t bytes;  // of one register: 16, 32 or 64
  int64_t count;  // registers
};

struct VertexOperand {
  void* data;                   // first element of the region
  int64_t size[kVertexRank];    // extent per dimension of the region's view; 1 past its rank
  int64_t stride[kVertexRank];  // in elements; 0 where the size is 1, else 1 in the last dimension
  int64_t begin[kVertexRank];   // where the region begins in its view: constant state of the vertex
};

}  // namespace tessera
