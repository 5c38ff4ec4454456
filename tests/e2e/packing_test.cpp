// SPDX-License-Identifier: Apache-2.0
// The property that sells the project: a request packed with others gets the answer that it would
// get alone in a row, whatever stands beside it.
#include <gtest/gtest.h>

#include <cmath>

#include "serving/offline_runner.h"
#include "serving/pack_runner.h"
#include "support/half.h"
#include "tests/e2e/answers.h"
#include "tests/e2e/build.h"
#include "tests/helpers/packing_forms.h"

namespace tessera {
namespace {

constexpr int64_t kRows = 4, kLength = 16, kMaxValid = 12;

struct Runs {
  std::shared_ptr<ModelRunner> padded, packed;
};

Runs build_runs(PackingForm form, Precision precision) {
  const CompileOptions plain = e2e::options_for(kRows, kLength, precision);
  const CompileOptions packed =
      form == PackingForm::A ? e2e::form_a(plain, kMaxValid, kLength) : e2e::form_b(plain);
  MachineOptions machine;
  machine.threads = 1;
  return {e2e::load(e2e::build(e2e::tiny_bert(), plain), machine),
          e2e::load(e2e::build(e2e::tiny_bert(), packed), machine)};
}

OfflineResult answer(ModelRunner& runner, const std::vector<Request>& requests) {
  auto result = run_offline(runner, PackPolicy::FirstFit, requests);
  EXPECT_TRUE(result.ok()) << result.error().message;
  return result.ok() ? result.take() : OfflineResult{};
}

double largest_difference(const Answer& a, const Answer& b) {
  double largest = 0;
  for (const auto& [name, bytes] : a.outputs) {
    const std::vector<float> x = e2e::floats(bytes), y = e2e::floats(b.outputs.at(name));
    EXPECT_EQ(x.size(), y.size());
    for (size_t i = 0; i < x.size(); ++i)
      largest = std::max(largest, static_cast<double>(std::abs(x[i] - y[i])));
  }
  return largest;
}

struct BothAnswers {
  OfflineResult padded, packed;
};

// To the same requests; none after a failure of the test.
BothAnswers answer_both(PackingForm form, Precision precision, size_t count, uint32_t seed) {
  const Runs runs = build_runs(form, precision);
  EXPECT_TRUE(runs.padded && runs.packed);
  if (!runs.padded || !runs.packed) return {};
  const std::vector<Request> requests = e2e::draw_requests(count, seed, kLength);
  BothAnswers both{answer(*runs.padded, requests), answer(*runs.packed, requests)};
  EXPECT_EQ(both.padded.answers.size(), count);
  EXPECT_EQ(both.packed.answers.size(), count);
  EXPECT_LT(both.packed.batches, both.padded.batches);
  return both;
}

// About eight requests go into a batch, so this many make a thousand batches.
constexpr size_t kManyRequests = 9000;

TEST(Packing, form_a_gives_every_request_the_padded_answer_to_the_bit) {
  const auto [padded, packed] = answer_both(PackingForm::A, Precision::Fp32, kManyRequests, 1);
  EXPECT_GE(packed.batches, 1000u);
  for (size_t i = 0; i < packed.answers.size(); ++i)
    ASSERT_EQ(packed.answers[i].outputs, padded.answers[i].outputs) << "request " << i;
}

TEST(Packing, form_b_gives_every_request_the_padded_answer_within_rounding) {
  const auto [padded, packed] = answer_both(PackingForm::B, Precision::Fp32, kManyRequests, 2);
  EXPECT_GE(packed.batches, 1000u);
  for (size_t i = 0; i < packed.answers.size(); ++i)
    ASSERT_LT(largest_difference(packed.answers[i], padded.answers[i]), 1e-5) << "request " << i;
}

class BothForms : public ::testing::TestWithParam<PackingForm> {};

TEST_P(BothForms, at_half_precision_packed_and_padded_agree_within_its_rounding) {
  const auto [padded, packed] = answer_both(GetParam(), Precision::Fp16, 500, 3);
  for (size_t i = 0; i < packed.answers.size(); ++i)
    ASSERT_LT(largest_difference(packed.answers[i], padded.answers[i]), 0.01) << "request " << i;
}

TEST_P(BothForms, changing_one_request_changes_no_bit_of_another) {
  for (Precision precision : {Precision::Fp32, Precision::Fp16}) {
    const Runs runs = build_runs(GetParam(), precision);
    ASSERT_TRUE(runs.packed);
    const std::vector<Request> requests = e2e::draw_requests(60, 4, kLength);
    const OfflineResult before = answer(*runs.packed, requests);
    for (size_t changed = 0; changed < requests.size(); changed += 7) {
      std::vector<Request> others = requests;
      for (int32_t& id : others[changed].tokens["input_ids"]) id = (id + 37) % 100;
      const OfflineResult after = answer(*runs.packed, others);
      EXPECT_NE(after.answers[changed].outputs, before.answers[changed].outputs);
      for (size_t i = 0; i < requests.size(); ++i) {
        if (i == changed) continue;
        ASSERT_EQ(after.answers[i].outputs, before.answers[i].outputs)
            << "request " << i << " when request " << changed << " changes";
      }
    }
  }
}

TEST_P(BothForms, online_answers_are_the_offline_ones) {
  const Runs runs = build_runs(GetParam(), Precision::Fp32);
  ASSERT_TRUE(runs.packed);
  const std::vector<Request> requests = e2e::draw_requests(200, 5, kLength);
  const OfflineResult offline = answer(*runs.packed, requests);
  PackRunnerConfig config;
  config.former.timeout = std::chrono::microseconds(1000);
  auto online = PackRunner::create(runs.packed, config);
  ASSERT_TRUE(online.ok()) << online.error().message;
  std::vector<std::future<Expected<Answer>>> futures;
  for (const Request& request : requests) {
    auto future = (*online)->submit(request);
    ASSERT_TRUE(future.ok()) << future.error().message;
    futures.push_back(std::move(future->answer));
  }
  for (size_t i = 0; i < futures.size(); ++i) {
    const Expected<Answer> got = futures[i].get();
    ASSERT_TRUE(got.ok()) << got.error().message;
    ASSERT_LT(largest_difference(*got, offline.answers[i]), 1e-5) << "request " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(, BothForms, ::testing::Values(PackingForm::A, PackingForm::B),
                         [](const auto& form) {
                           return form.param == PackingForm::A ? "form_a" : "form_b";
                         });

}  // namespace
}  // namespace tessera
