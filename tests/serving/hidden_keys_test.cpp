// SPDX-License-Identifier: Apache-2.0
// An attention whose mask of -10000 does not hide a key beside its score: a batch that has one is
// refused by the name of the node. Requests have no such keys, and the cells beside them do not
// count, however large their scores are.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serving/batch_runner.h"
#include "serving/offline_runner.h"
#include "tests/helpers/tiny_executable.h"
#include "tests/helpers/token_requests.h"

namespace tessera {
namespace {

// Scores are products of the table's rows. That of id 0, which padding is, is large.
constexpr std::string_view kAttend = R"(program attend {
  target test
  input input_ids: i32[2,4] = by [2,4] at 0
  input attention_mask: i32[2,4] = by [2,4] at 0
  constant table: f32[4,1] = by [4,1] at 0 data 0
  activation x: f32[2,4,1] = by [2,4,1] at 0
  output y: f32[2,4,1] = by [2,4,1] at 0
  inputs input_ids attention_mask
  outputs y
  step lookup {
    gather on [1] at 0
    read table as [1,4,1] [*, *, *]
    read input_ids as [8] [*]
    write x as [1,1,8,1] [*, *, *, *]
  }
  step attend {
    attention on [1] at 0 scale=1 mask=1 hidden=-10000
    read x as [2,4,1,1] [*, *, *, *]
    read x as [2,4,1,1] [*, *, *, *]
    read x as [2,4,1,1] [*, *, *, *]
    read attention_mask [*, *]
    write y as [2,4,1,1] [*, *, *, *]
  }
}
)";

constexpr float kLoud = 1000;

std::shared_ptr<ModelRunner> attend_runner() {
  const std::vector<float> table = {kLoud, 1, 2, 100};
  Executable executable = tiny_executable(kAttend, {bytes_of(table)});
  executable.metadata.packing.request_size = RequestSize::Tokens;
  executable.metadata.packing.outputs = {
      {"y", false}
  };
  return runner_of(std::move(executable));
}

Status run_batch(ModelRunner& model, std::vector<int32_t> ids, std::vector<int32_t> mask,
                 UsedCells used = {}) {
  std::vector<float> y(8);
  const InputViews in = {
      {"input_ids",      {DType::I32, false, {2, 4}, std::as_bytes(std::span(ids))} },
      {"attention_mask", {DType::I32, false, {2, 4}, std::as_bytes(std::span(mask))}}
  };
  const OutputViews out = {
      {"y", {DType::F32, {2, 4, 1}, std::as_writable_bytes(std::span(y))}}
  };
  return model.run(in, out, std::move(used));
}

TEST(HiddenKeys, beside_a_request_do_not_count) {
  const auto model = attend_runner();
  const std::vector<Request> requests = {request_of({3}), request_of({1, 2})};
  const auto result = run_offline(*model, PackPolicy::FirstFit, requests);
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_EQ(values_of<float>(result->answers[0].outputs.at("y")), std::vector<float>{100});
  // Weights of e^1 and e^2, and of e^2 and e^4.
  EXPECT_THAT(values_of<float>(result->answers[1].outputs.at("y")),
              testing::ElementsAre(testing::FloatNear(1.7310586F, 1e-6F),
                                   testing::FloatNear(1.8807971F, 1e-6F)));
}

TEST(HiddenKeys, of_a_batch_whose_number_leaves_them_weight_end_the_run_by_name) {
  const auto model = attend_runner();
  const std::vector<int32_t> mask = {1, 1, 1, 1, 1, 0, 1, 1};
  // The query of 100 scores the hidden key 100 · 1000, the others 100 · 100 at most.
  const Status ran = run_batch(*model, {1, 1, 1, 1, 3, 0, 1, 1}, mask);
  ASSERT_FALSE(ran.ok());
  EXPECT_EQ(
      ran.error().message,
      "node 'attend' (attention): key 1 of row 1 is hidden by -10000, but its score for query "
      "0 is 100000, and the largest that it sees is 10000; the mask must add less (-3.4e38 "
      "hides beside any score), or compile with --skip_passes fuse_attention, which adds it "
      "as it is");
  EXPECT_EQ(ran.error().kind, ErrorKind::Failed);
  UsedCells used(8, true);
  used[5] = false;
  EXPECT_TRUE(run_batch(*model, {1, 1, 1, 1, 3, 0, 1, 1}, mask, used).ok());
}

TEST(HiddenKeys, that_have_no_weight_are_left_out) {
  const auto model = attend_runner();
  // Lengths of 100 settle nothing for -10000. The scores do: 10000 - 10000 is nothing beside 200.
  EXPECT_TRUE(run_batch(*model, {1, 1, 1, 1, 1, 3, 1, 2}, {1, 1, 1, 1, 1, 0, 1, 1}).ok());
  EXPECT_TRUE(run_batch(*model, {0, 0, 0, 0, 0, 0, 0, 0}, {1, 1, 1, 1, 1, 1, 1, 1}).ok());
}

}  // namespace
}  // namespace tessera
