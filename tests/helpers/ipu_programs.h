// SPDX-License-Identifier: Apache-2.0
// Programs for several IPUs that are small enough to read.
#pragma once

#include <string_view>

namespace tessera {

// x lies row by row over two IPUs, and y's columns are dealt out to them.
inline constexpr std::string_view kDealtProgram = R"(program dealt {
  target testx2
  input x: f32[8,64] = by [2,64] at 0
  output y: f32[8,64] = by [4,16] at 0 deal 1 each 2 stride 4
  inputs x
  outputs y
  step turn {
    send x [g0*4:4, g1*16:16] to [2,4] at 0 deal 1 each 2 stride 4
    copy on [2,4] at 0 deal 1 each 2 stride 4 perm=[0,1] step=[1,1]
    read x [g0*4:4, g1*16:16]
    write y [g0*4:4, g1*16:16]
  }
}
)";

// w = x on IPU 0, and then y = w on IPU 1, as a pipeline.
inline constexpr std::string_view kPipedProgram = R"(program piped {
  target testx2
  host batches_per_step=3 io_tiles=0 prefetch=1
  input x: f32[8,64] = by [2,64] at 0
  activation w: f32[8,64] = by [2,64] at 0
  output y: f32[8,64] = by [2,64] at 4
  inputs x
  outputs y
  step make {
    copy on [4] at 0 perm=[0,1] step=[1,1]
    read x [g0*2:2, *]
    write w [g0*2:2, *]
  }
  step over stage 1 {
    send w [g0*2:2, *] to [4] at 4
    copy on [4] at 4 perm=[0,1] step=[1,1]
    read w [g0*2:2, *]
    write y [g0*2:2, *]
  }
})";

}  // namespace tessera
