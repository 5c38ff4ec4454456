// SPDX-License-Identifier: Apache-2.0
#include "tests/e2e/answers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "serving/offline_runner.h"

namespace tessera::e2e {

std::vector<Request> draw_requests(size_t count, uint32_t seed, int64_t longest) {
  std::mt19937 random(seed);
  std::vector<Request> requests(count);
  for (Request& request : requests) {
    const size_t length = 1 + random() % static_cast<uint32_t>(longest);
    for (size_t i = 0; i < length; ++i) {
      request.tokens["input_ids"].push_back(static_cast<int32_t>(random() % 100));
      request.tokens["token_type_ids"].push_back(static_cast<int32_t>(random() % 2));
    }
  }
  return requests;
}

std::vector<Answer> answers(ModelRunner& runner, const std::vector<Request>& requests) {
  auto result = run_offline(runner, PackPolicy::FirstFit, requests);
  EXPECT_TRUE(result.ok()) << result.error().message;
  return result.ok() ? result->answers : std::vector<Answer>();
}

std::vector<float> floats(const std::vector<std::byte>& bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

double relative_error(const Answer& got, const Answer& wanted) {
  double squares = 0, length = 0;
  for (const auto& [name, bytes] : wanted.outputs) {
    const std::vector<float> x = floats(got.outputs.at(name)), y = floats(bytes);
    EXPECT_EQ(x.size(), y.size());
    for (size_t i = 0; i < y.size(); ++i) {
      squares += std::pow(double{x[i]} - double{y[i]}, 2);
      length += double{y[i]} * double{y[i]};
    }
  }
  return std::sqrt(squares / length);
}

void expect_near(const std::vector<Answer>& got, const std::vector<Answer>& wanted, double most) {
  ASSERT_EQ(got.size(), wanted.size());
  ASSERT_FALSE(got.empty());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_LT(relative_error(got[i], wanted[i]), most) << i;
}

}  // namespace tessera::e2e
