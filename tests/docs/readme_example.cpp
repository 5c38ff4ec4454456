// SPDX-License-Identifier: Apache-2.0
// What README.md prints for C++, line by line.
// clang-format off: the page prints it in a narrow column.
#include <iostream>
#include <memory>
#include <vector>

#include "compiler/compile.h"
#include "executor/model_runner.h"

int failed(const tessera::Error& error) {
  std::cerr << error.message << '\n';
  return 1;
}

int main() {
  using namespace tessera;
  CompileOptions options;
  options.input_shape["input_ids"] = {16, 256};
  options.precision = Precision::Fp16;
  auto compiled = compile("bert.onnx", options);
  if (!compiled.ok()) return failed(compiled.error());
  auto runner = ModelRunner::create(
      std::make_shared<const Executable>(
          std::move(compiled->executable)));
  if (!runner.ok()) return failed(runner.error());

  const Shape shape = {16, 256};
  std::vector<int32_t> ids(4096, 7), mask(4096, 1),
      types(4096, 0);
  std::vector<float> start(4096);
  const auto view = [&](std::vector<int32_t>& data) {
    return InputView{DType::I32, false, shape,
                     std::as_bytes(std::span(data))};
  };
  const Status done = (*runner)->run(
      {{"input_ids", view(ids)},
       {"attention_mask", view(mask)},
       {"token_type_ids", view(types)}},
      {{"start_logits",
        {DType::F32, shape,
         std::as_writable_bytes(std::span(start))}}});
  if (!done.ok()) return failed(done.error());
  std::cout << start.size() << " logits\n";
}
