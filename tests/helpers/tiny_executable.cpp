// SPDX-License-Identifier: Apache-2.0
#include "tests/helpers/tiny_executable.h"

#include <gtest/gtest.h>

#include <random>

#include "codelets/codelet.h"
#include "program/text.h"
#include "program/verify.h"
#include "support/fp8.h"
#include "support/half.h"

namespace tessera {
namespace {

Executable make(std::string_view text, std::vector<Bytes> constants) {
  auto program = parse_program(text);
  EXPECT_TRUE(program.ok()) << program.error().message;
  Executable executable;
  if (!program.ok()) return executable;
  executable.program = program.take();
  executable.metadata.model_name = executable.program.name;
  for (const Variable& v : executable.program.variables) {
    if (v.kind == VariableKind::Constant) {
      const auto index = static_cast<size_t>(v.constant);
      if (constants.size() <= index) constants.resize(index + 1);
      if (constants[index].empty()) {
        constants[index] = random_tensor(v.dtype, elements(v.shape), static_cast<uint32_t>(index));
      }
    }
    const bool input = v.kind == VariableKind::Input;
    if (!input && v.kind != VariableKind::Output) continue;
    executable.metadata.anchors.push_back(
        {v.name, input ? AnchorKind::Input : AnchorKind::Output, v.dtype, v.shape, "float32", 0});
  }
  for (Bytes& bytes : constants) {
    auto owned = std::make_shared<Bytes>(std::move(bytes));
    executable.constants.push_back({owned, *owned});
  }
  return executable;
}

}  // namespace

Executable tiny_executable(std::string_view text, std::vector<Bytes> constants) {
  Executable executable = make(text, std::move(constants));
  const Status verified = verify_program(executable.program, check_compute_set);
  EXPECT_TRUE(verified.ok()) << verified.error().message;
  return executable;
}

Executable unverified_executable(std::string_view text) { return make(text, {}); }

std::shared_ptr<Jit> shared_jit() {
  static const std::shared_ptr<Jit> jit = Jit::create().take();
  return jit;
}

std::shared_ptr<ModelRunner> runner_of(Executable executable) {
  auto runner = ModelRunner::create(std::make_shared<const Executable>(std::move(executable)),
                                    {.threads = 1, .jit = shared_jit()});
  EXPECT_TRUE(runner.ok()) << runner.error().message;
  return runner.ok() ? runner.take() : nullptr;
}

Bytes random_tensor(DType dtype, int64_t elements, uint32_t seed) {
  std::mt19937 random(seed);
  Bytes bytes(static_cast<size_t>(elements * size_of(dtype)));
  const auto put = [&](int64_t i, auto value) {
    std::memcpy(bytes.data() + static_cast<size_t>(i) * sizeof value, &value, sizeof value);
  };
  for (int64_t i = 0; i < elements; ++i) {
    const float unit = static_cast<float>(random() % 20001) / 10000.0f - 1.0f;
    switch (dtype) {
      case DType::F32: put(i, unit); break;
      case DType::F16: put(i, to_half(unit)); break;
      case DType::I32: put(i, static_cast<int32_t>(random() % 4)); break;
      case DType::Bool: put(i, static_cast<uint8_t>(random() % 2)); break;
      case DType::I8:
      case DType::U8: put(i, static_cast<uint8_t>(random())); break;
      case DType::F143:
      case DType::F152: put(i, to_fp8(dtype, unit)); break;
    }
  }
  return bytes;
}

}  // namespace tessera
