// SPDX-License-Identifier: Apache-2.0
// Seeded random encoders, as exporters write them: ONNX models [batch,sequence] with masks of every
// kind, positions of every kind, arithmetic on ids, poolers of every kind, and now and then a thing
// that must not be padded or packed. The compiler has to find out which are which.
#pragma once

#include <cstdint>

#include "tests/compiler/onnx/builder.h"

namespace tessera::fuzz {

inline constexpr int64_t kVocabulary = 12, kMostTokens = 6;

test::ModelBuilder random_encoder(uint64_t seed);

}  // namespace tessera::fuzz
