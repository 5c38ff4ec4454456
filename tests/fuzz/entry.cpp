// SPDX-License-Identifier: Apache-2.0
// A target as libFuzzer wants it.
#include <cstring>

#include "tests/fuzz/target.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace tessera::fuzz {

std::string mutate_bytes(std::string_view input, Random&) {
  constexpr size_t kRoom = 64;  // that a mutation may add
  std::string bytes(input);
  bytes.resize(input.size() + kRoom);
  bytes.resize(
      LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(bytes.data()), input.size(), bytes.size()));
  return bytes;
}

}  // namespace tessera::fuzz

using tessera::fuzz::Random;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tessera::fuzz::run({reinterpret_cast<const char*>(data), size});
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  Random random(seed);
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string mutant = random.one_in(16) ? tessera::fuzz::mutate_bytes(input, random)
                                               : tessera::fuzz::mutate(input, random);
  if (mutant.size() > max_size) return size;
  std::memcpy(data, mutant.data(), mutant.size());
  return mutant.size();
}
