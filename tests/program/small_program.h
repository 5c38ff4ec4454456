// SPDX-License-Identifier: Apache-2.0
// A valid program that is small enough to read: y = x · w over four tiles, halves of x's rows
// against halves of w's columns, then z = gelu(y) where y lies, half a row at a time.
#pragma once

#include <string_view>

namespace tessera {

inline constexpr std::string_view kSmallProgram = R"(program small {
  target test
  input x: f32[4,6] = by [4,6] at 1
  constant w: f32[6,8] = [48] by [12] at 0 data 0
  activation y: f32[4,8] = by [2,4] at 0
  output z: f32[4,8] = [8,4] by [2,4] at 0
  inputs x
  outputs z
  step layer/matmul from "MatMul 0" {
    send x [g0*2:2, *] to [2,2] at 0
    send w [*, g1*4:4] to [2,2] at 0
    matmul on [2,2] at 0 bias=0 residual=0 activation=0
    read x [g0*2:2, *]
    read w [*, g1*4:4]
    write y [g0*2:2, g1*4:4]
  }
  step layer/gelu {
    send y as [8,4] [g0*2:2, *] to [4] at 0
    elementwise on [4] at 0 domain=0 tape=[18,0,0,0] constants=[]
    read y as [8,4] [g0*2:2, *]
    write z as [8,4] [g0*2:2, *]
  }
}
)";

}  // namespace tessera
