// SPDX-License-Identifier: Apache-2.0
#include "executor/host_arrays.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "program/popef.h"

namespace tessera {
namespace {

// All bits of the exponent are set in infinities and NaN, and in no other number.
template <class Bits>
int64_t count_with(Bits exponent, std::span<const std::byte> bytes) {
  int64_t count = 0;
  for (size_t at = 0; at + sizeof(Bits) <= bytes.size(); at += sizeof(Bits)) {
    Bits bits;
    std::memcpy(&bits, bytes.data() + at, sizeof(Bits));
    count += (bits & exponent) == exponent;
  }
  return count;
}

}  // namespace

bool computes_in_half(const Executable& executable) {
  return std::ranges::any_of(executable.program.variables,
                             [](const Variable& v) { return v.dtype == DType::F16; });
}

void find_not_finite(const std::string& output, DType dtype, std::span<const std::byte> bytes,
                     std::vector<NotFinite>& found) {
  int64_t count = 0;
  if (dtype == DType::F32) count = count_with<uint32_t>(0x7f800000, bytes);
  if (dtype == DType::F16) count = count_with<uint16_t>(0x7c00, bytes);
  if (count > 0) found.push_back({output, count, std::ssize(bytes) / size_of(dtype)});
}

std::vector<NotFinite> find_not_finite(const OutputViews& outputs) {
  std::vector<NotFinite> found;
  for (const auto& [name, view] : outputs) find_not_finite(name, view.dtype, view.bytes, found);
  return found;
}

std::string to_string(const NotFinite& found) {
  return fmt::format(
      "output '{}': {} of {} numbers are not finite; where fp32 has finite ones, a value has "
      "passed 65504 in fp16: keep its node in fp32 with --fp16_skip_nodes (tessera check "
      "--by_layer finds it)",
      found.output, found.count, found.of);
}

}  // namespace tessera
