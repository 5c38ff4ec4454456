// SPDX-License-Identifier: Apache-2.0
// Models of operations over windows, and their answers.
#pragma once

#include <string>
#include <vector>

#include "ir/interpreter.h"
#include "tests/compiler/onnx/builder.h"

namespace tessera::test {

// Numbers without a pattern, from -8 to 8.
inline std::vector<double> numbers(const Shape& shape, int64_t seed) {
  std::vector<double> values;
  for (int64_t i = 0; i < elements(shape); ++i)
    values.push_back(static_cast<double>((i * 7919 + seed * 104729) % 17 - 8));
  return values;
}

inline std::string dims_of(const Shape& shape) {
  std::string text;
  for (const int64_t dim : shape) text += (text.empty() ? "" : ",") + std::to_string(dim);
  return text;
}

inline void floats(ModelBuilder& m, const std::string& name, const Shape& shape, int64_t seed) {
  const std::vector<double> values = numbers(shape, seed);
  m.floats(name, {values.begin(), values.end()}, shape);
}

inline Expected<std::vector<double>> answer(const ModelBuilder& m, const Shape& x,
                                            std::vector<double> values) {
  const TempFolder folder;
  const ImportedModel model = TRY(import_onnx(m.save(folder), {}));
  const Array array{
      {DType::F32, x},
      std::move(values)
  };
  return TRY(interpret(model.graph,
                       {
                           {"x", array}
  }))[0]
      .data;
}

}  // namespace tessera::test
