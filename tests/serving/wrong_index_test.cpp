// SPDX-License-Identifier: Apache-2.0
// A model that looks up its ids, and one that is not in the table: the request that has it is
// refused, the others of its batch have their answers, and cells that no request has do not count.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "packing/offline.h"
#include "serving/batch_runner.h"
#include "serving/offline_runner.h"
#include "serving/pack_runner.h"
#include "serving/rejection.h"
#include "tests/helpers/tiny_executable.h"
#include "tests/helpers/token_requests.h"

namespace tessera {
namespace {

// The table's last row stands for id -1: ids of 0, which padding is too, are past the table.
constexpr std::string_view kWrongLookup = R"(program lookup {
  target test
  input input_ids: i32[2,8] = by [2,8] at 0
  constant table: i32[5] = by [5] at 0 data 0
  activation index: i32[2,8] = by [2,8] at 0
  output y: i32[2,8] = by [2,8] at 0
  inputs input_ids
  outputs y
  step index {
    elementwise on [1] at 0 domain=1 tape=[1,1,0,0] constants=[5]
    read input_ids [*, *]
    write index [*, *]
  }
  step lookup {
    gather on [1] at 0 rows=5 cells=1 shape=[2,8]
    read table as [1,5,1] [*, *, *]
    read index as [16] [*]
    write y as [1,1,16,1] [*, *, *, *]
  }
}
)";

std::shared_ptr<ModelRunner> wrong_lookup_runner() {
  const std::vector<int32_t> table = {50, 40, 30, 20, 10};
  Executable executable = tiny_executable(kWrongLookup, {bytes_of(table)});
  executable.metadata.packing.request_size = RequestSize::Tokens;
  executable.metadata.packing.outputs = {
      {"y", false}
  };
  return runner_of(std::move(executable));
}

std::vector<int32_t> y_of(const Answer& answer) {
  return values_of<int32_t>(answer.outputs.at("y"));
}

constexpr const char* kWords =
    "node 'lookup' (gather): index 5 at [1,1], must be in -5..4, as its table has 5 rows";

TEST(WrongIndex, cells_of_no_request_do_not_count) {
  const auto model = wrong_lookup_runner();
  const std::vector<Request> requests = {request_of({1, 2, 5}), request_of({4})};
  const auto result = run_offline(*model, PackPolicy::FirstFit, requests);
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_EQ(y_of(result->answers[0]), (std::vector<int32_t>{10, 20, 50}));
  EXPECT_EQ(y_of(result->answers[1]), std::vector<int32_t>{40});
}

TEST(WrongIndex, a_whole_batch_has_no_cells_that_do_not_count) {
  const auto model = wrong_lookup_runner();
  std::vector<int32_t> ids(16, 1), y(16);
  ids[9] = 0;
  const InputViews in = {
      {"input_ids", {DType::I32, false, {2, 8}, std::as_bytes(std::span(ids))}}
  };
  const OutputViews out = {
      {"y", {DType::I32, {2, 8}, std::as_writable_bytes(std::span(y))}}
  };
  const Status ran = model->run(in, out);
  ASSERT_FALSE(ran.ok());
  EXPECT_EQ(ran.error().message, kWords);
  EXPECT_EQ(ran.error().kind, ErrorKind::Failed);
  UsedCells used(16, true);
  used[9] = false;
  EXPECT_TRUE(model->run(in, out, used).ok());
}

TEST(WrongIndex, only_the_request_that_has_it_is_refused) {
  const auto model = wrong_lookup_runner();
  const auto runner = BatchRunner::create(*model);
  ASSERT_TRUE(runner.ok()) << runner.error().message;
  const Request first = request_of({1, 2}), wrong = request_of({3, 0, 4});
  const Request* requests[] = {&first, &wrong};
  const auto batches =
      pack_offline((*runner)->contract(), PackPolicy::FirstFit, std::vector<int64_t>{2, 3});
  ASSERT_TRUE(batches.ok());
  ASSERT_EQ(batches->size(), 1u);
  const auto answers = (*runner)->run((*batches)[0], requests, 0);
  ASSERT_TRUE(answers.ok()) << answers.error().message;
  for (size_t i = 0; i < 2; ++i) {
    const bool is_wrong = (*batches)[0].placements[i].request == 1;
    ASSERT_EQ((*answers)[i].refused.has_value(), is_wrong);
    if (!is_wrong) {
      EXPECT_EQ(y_of((*answers)[i]), (std::vector<int32_t>{10, 20}));
      continue;
    }
    EXPECT_THAT((*answers)[i].refused->message, testing::StartsWith("request: node 'lookup'"));
    EXPECT_EQ((*answers)[i].refused->type, rejection::kOutOfRange);
  }
}

TEST(WrongIndex, a_pack_runner_hands_each_caller_its_own) {
  const auto model = wrong_lookup_runner();
  auto runner = PackRunner::create(model, PackRunnerConfig{});
  ASSERT_TRUE(runner.ok()) << runner.error().message;
  auto right = (*runner)->submit(request_of({1, 2}));
  auto wrong = (*runner)->submit(request_of({3, 0, 4}));
  ASSERT_TRUE(right.ok() && wrong.ok());
  const Expected<Answer> answer = right->answer.get(), refused = wrong->answer.get();
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(y_of(*answer), (std::vector<int32_t>{10, 20}));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().type, rejection::kOutOfRange);
}

}  // namespace
}  // namespace tessera
