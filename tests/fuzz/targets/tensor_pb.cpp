// SPDX-License-Identifier: Apache-2.0
// Tensors in files of their own, as ONNX's test cases have them.
#include "compiler/onnx/tensor_file.h"
#include "tests/fuzz/target.h"
#include "tests/fuzz/wire.h"

namespace tessera::fuzz {

void run(std::string_view input) {
  const auto file = read_tensor_file(file_of(input, ".pb"));
  if (!file) return demand(!file.error().message.empty(), "an error without words");
  note("read");
  const TensorType& type = file->tensor.type();
  demand(is_valid_shape(type.shape), "a shape that no tensor has");
  demand(std::ssize(file->tensor.bytes()) == type.bytes(), "bytes of another size than its type's");
}

std::string mutate(std::string_view input, Random& random) {
  return mutate_wire(input, onnx_tensor_schema(), {}, random);
}

}  // namespace tessera::fuzz
