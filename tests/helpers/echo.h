// SPDX-License-Identifier: Apache-2.0
// Models that say what they were handed: every token of the output is
// 1000 * id + 100 * mask + position, so an answer shows whose it is. Rows of 8, two of them.
#pragma once

#include <memory>
#include <string_view>

#include "executor/model_runner.h"
#include "tests/helpers/tiny_executable.h"

namespace tessera {

inline constexpr std::string_view kEcho = R"(program echo {
  target test
  input input_ids: i32[2,8] = by [1,8] at 0
  input attention_mask: i32[2,8] = by [1,8] at 0
  input position_ids: i32[2,8] = by [1,8] at 0
  output echo: i32[2,8] = by [1,8] at 0
  inputs input_ids attention_mask position_ids
  outputs echo
  step echo {
    elementwise on [2] at 0 domain=1 tape=[2,0,3,0,2,1,4,0,0,5,6,0,0,7,2,0] constants=[1000,100]
    read input_ids [g0*1:1, *]
    read attention_mask [g0*1:1, *]
    read position_ids [g0*1:1, *]
    write echo [g0*1:1, *]
  }
}
)";

// The same, unpacked at the end: at most 5 requests of at most 6 tokens.
inline constexpr std::string_view kEchoUnpacked = R"(program echo_unpacked {
  target test
  input input_ids: i32[2,8] = by [2,8] at 0
  input attention_mask: i32[2,8] = by [2,8] at 0
  input position_ids: i32[2,8] = by [2,8] at 0
  input unpack_info: i32[5,1] = by [5,1] at 0
  activation packed: i32[2,8] = by [2,8] at 0
  output echo: i32[5,6] = by [5,6] at 0
  inputs input_ids attention_mask position_ids unpack_info
  outputs echo
  step echo {
    elementwise on [1] at 0 domain=1 tape=[2,0,3,0,2,1,4,0,0,5,6,0,0,7,2,0] constants=[1000,100]
    read input_ids [*, *]
    read attention_mask [*, *]
    read position_ids [*, *]
    write packed [*, *]
  }
  step unpack {
    unpack on [1] at 0
    read packed as [16,1] [*, *]
    read unpack_info as [5] [*]
    write echo as [5,6,1] [*, *, *]
  }
}
)";

// Ids must be below 10000.
Executable echo_executable(PackingForm form);
std::shared_ptr<ModelRunner> echo_runner(PackingForm form);

// The answer of `echo` to a request with these ids whose mask is `ordinal`.
std::vector<int32_t> echo_of(const std::vector<int32_t>& ids, int32_t ordinal);

}  // namespace tessera
