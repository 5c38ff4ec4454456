// SPDX-License-Identifier: Apache-2.0
// A small encoder that a test goes on from, and the question whether its answers stay right.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/compiler/onnx/builder.h"

namespace tessera::test {

// Ids are below kWords, numbers of other inputs below kOthers.
constexpr int64_t kWords = 20, kHidden = 8, kOthers = 6;

std::vector<float> numbers(int64_t count, int64_t seed);

// One layer of attention, %y; and %m, the mask as f32 [batch,sequence,1].
ModelBuilder encoder();

// Inputs besides the ids, and how many numbers a token has in each.
using OtherInputs = std::map<std::string, int32_t>;

// Packed in both forms, and in other `forms` that are named, requests of 1 to 16 tokens are
// answered as each is alone. `shapes` of inputs that the model leaves open.
void expect_each_request_is_right(const ModelBuilder& m, const OtherInputs& others = {},
                                  const Names& forms = {"A", "B"},
                                  const std::map<std::string, Shape>& shapes = {});

}  // namespace tessera::test
