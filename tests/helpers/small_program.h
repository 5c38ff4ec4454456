// SPDX-License-Identifier: Apache-2.0
// Programs that are small enough to read.
#pragma once

#include <string_view>

namespace tessera {

// Sound, as long as nobody asks the codelets: y = x · w over four tiles, halves of x's rows
// against halves of w's columns, then z = gelu(y), half a row at a time.
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

// One whose vertices the codelets accept: y = x + w where x lies, w being on tile 3 alone; then z
// is y transposed, a fourth each.
inline constexpr std::string_view kPricedProgram = R"(program costs {
  target test
  input x: f16[8,64] = by [2,64] at 0
  constant w: f16[1,64] = by [1,64] at 3 data 0
  activation y: f16[8,64] = by [2,64] at 0
  output z: f16[64,8] = by [16,8] at 0
  inputs x
  outputs z
  step add {
    send w [*, *] to [4] at 0
    elementwise on [4] at 0 domain=0 tape=[0,0,1,0] constants=[]
    read x [g0*2:2, *]
    read w [*, *]
    write y [g0*2:2, *]
  }
  step transpose {
    send y [*, g0*16:16] to [4] at 0
    copy on [4] at 0 perm=[1,0] step=[1,1]
    read y [*, g0*16:16]
    write z [g0*16:16, *]
  }
}
)";

}  // namespace tessera
