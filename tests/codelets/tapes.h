// SPDX-License-Identifier: Apache-2.0
// Tapes of elementwise, row by row, and vertices that run them.
#pragma once

#include <string>
#include <vector>

#include "codelets/elementwise.h"
#include "tests/codelets/vertex_runner.h"

namespace tessera {

struct Row {
  Tape opcode;
  int a = 0, b = 0, c = 0;
};

inline std::vector<Param> tape(std::vector<Row> rows, std::vector<double> constants = {},
                               double domain = 0) {
  std::vector<double> numbers;
  for (const Row& row : rows)
    for (int number : {static_cast<int>(row.opcode), row.a, row.b, row.c})
      numbers.push_back(number);
  return {
      {"domain",    {domain}            },
      {"tape",      numbers             },
      {"constants", std::move(constants)}
  };
}

inline std::vector<double> run(const std::vector<Param>& params, std::vector<VertexArray> inputs,
                               DType out, Shape size) {
  inputs.push_back(output(out, std::move(size)));
  return run_vertex("elementwise", params, std::move(inputs))[0].values;
}

inline VertexArray floats(std::vector<double> values) {
  const auto size = static_cast<int64_t>(values.size());
  return array(DType::F32, {size}, std::move(values));
}

}  // namespace tessera
