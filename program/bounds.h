// SPDX-License-Identifier: Apache-2.0
// How much a Program may hold of each thing: bounds of the format, which the reader asks of a
// file's bytes before it builds anything, and the verifier of every Program.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tessera {

inline constexpr size_t kMaxVariables = 100'000;
inline constexpr size_t kMaxSupersteps = 100'000;
inline constexpr int64_t kMaxTiles = 65'536;            // of all IPUs together
inline constexpr int64_t kMaxSteps = int64_t{1} << 26;  // tiles times supersteps
// Transfers, operands, origins, values of a parameter.
inline constexpr size_t kMaxPerSuperstep = 4096;
inline constexpr size_t kMaxParams = 64;

}  // namespace tessera
