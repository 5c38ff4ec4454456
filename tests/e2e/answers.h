// SPDX-License-Identifier: Apache-2.0
// Requests for the tiny BERT of build.h, and how near their answers are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "executor/model_runner.h"
#include "serving/request.h"

namespace tessera::e2e {

// Requests of 1 to `longest` tokens each, and both kinds of tokens; the same on every host.
std::vector<Request> draw_requests(size_t count, uint32_t seed, int64_t longest);

// In the order of the requests, packed as the executable takes them. An error fails the test.
std::vector<Answer> answers(ModelRunner& runner, const std::vector<Request>& requests);

std::vector<float> floats(const std::vector<std::byte>& bytes);

// The length of the difference of all outputs, over the length of what is wanted.
double relative_error(const Answer& got, const Answer& wanted);
void expect_near(const std::vector<Answer>& got, const std::vector<Answer>& wanted, double most);

}  // namespace tessera::e2e
