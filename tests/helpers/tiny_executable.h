// SPDX-License-Identifier: Apache-2.0
// Executables from programs in text, small enough to write by hand.
#pragma once

#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "executor/jit.h"
#include "executor/model_runner.h"
#include "program/popef.h"

namespace tessera {

using Bytes = std::vector<std::byte>;

template <class T>
Bytes bytes_of(const std::vector<T>& values) {
  Bytes bytes(values.size() * sizeof(T));
  if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

template <class T>
std::vector<T> values_of(std::span<const std::byte> bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

// Parsed and verified (a failure is the test's), with an anchor for every input and output.
// Constant number i gets constants[i]; where there are none, seeded random numbers.
Executable tiny_executable(std::string_view text, std::vector<Bytes> constants = {});
// Without the verifier.
Executable unverified_executable(std::string_view text);

// For machines that come and go: codelets are compiled once in a test program.
std::shared_ptr<Jit> shared_jit();

// Its runner, of one thread; null after a failure of the test.
std::shared_ptr<ModelRunner> runner_of(Executable executable);

// Random bytes for a tensor: floats in -1..1 of its dtype, integers in 0..3, booleans.
Bytes random_tensor(DType dtype, int64_t elements, uint32_t seed);

}  // namespace tessera
