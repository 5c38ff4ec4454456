// SPDX-License-Identifier: Apache-2.0
#include "tests/helpers/lookup.h"

#include <fmt/format.h>

namespace tessera {

std::shared_ptr<ModelRunner> lookup_runner(DType dtype, Bytes table) {
  Executable executable = tiny_executable(fmt::format(R"(program lookup {{
  target test
  input input_ids: i32[2,8] = by [2,8] at 0
  constant table: {0}[5] = by [5] at 0 data 0
  output y: {0}[2,8] = by [2,8] at 0
  inputs input_ids
  outputs y
  step lookup {{
    gather on [1] at 0 rows=5 cells=1 shape=[2,8]
    read table as [1,5,1] [*, *, *]
    read input_ids as [16] [*]
    write y as [1,1,16,1] [*, *, *, *]
  }}
}}
)",
                                                      to_string(dtype)),
                                          {std::move(table)});
  executable.metadata.packing.request_size = RequestSize::Tokens;
  executable.metadata.packing.outputs = {
      {"y", false}
  };
  return runner_of(std::move(executable));
}

}  // namespace tessera
