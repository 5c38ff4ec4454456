// SPDX-License-Identifier: Apache-2.0
#include "executor/model_runner.h"

#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <limits>
#include <numeric>
#include <thread>

#include "support/half.h"
#include "tests/helpers/echo.h"

namespace tessera {
namespace {

constexpr std::string_view kHalves = R"(program halves {
  target test
  input x: f16[2,3] = by [1,3] at 0
  output y: f16[2,3] = by [1,3] at 0
  inputs x
  outputs y
  step double {
    elementwise on [2] at 0 domain=0 tape=[0,0,0,0] constants=[]
    read x [g0*1:1, *]
    write y [g0*1:1, *]
  }
}
)";

class ModelRunnerTest : public ::testing::Test {
 protected:
  // Buffers for the echo model, correct unless a test spoils them.
  std::vector<int32_t> ids_ = std::vector<int32_t>(16, 7), mask_ = std::vector<int32_t>(16, 1),
                       positions_ = std::vector<int32_t>(16, 2), echo_ = std::vector<int32_t>(16);
  std::shared_ptr<ModelRunner> runner_ = echo_runner(PackingForm::None);

  static InputView view(const std::vector<int32_t>& values) {
    return {
        DType::I32, false, {2, 8},
          std::as_bytes(std::span(values))
    };
  }
  InputViews inputs() const {
    return {
        {"input_ids",      view(ids_)      },
        {"attention_mask", view(mask_)     },
        {"position_ids",   view(positions_)}
    };
  }
  OutputViews outputs() {
    return {
        {"echo", {DType::I32, {2, 8}, std::as_writable_bytes(std::span(echo_))}}
    };
  }
  std::string error(const InputViews& in, const OutputViews& out) {
    const Status status = runner_->run(in, out);
    return status.ok() ? "" : status.error().message;
  }
};

TEST_F(ModelRunnerTest, runs_a_batch_into_the_callers_buffer) {
  EXPECT_EQ(error(inputs(), outputs()), "");
  EXPECT_EQ(echo_, std::vector<int32_t>(16, 7102));
}

TEST_F(ModelRunnerTest, a_caller_may_be_told_when_his_batch_is_done) {
  std::promise<std::string> told;
  const auto tell = [&](Status status) {
    told.set_value(status.ok() ? "done" : status.error().message);
  };
  ASSERT_TRUE(runner_->run_then(inputs(), outputs(), tell).ok());
  EXPECT_EQ(told.get_future().get(), "done");
  EXPECT_EQ(echo_, std::vector<int32_t>(16, 7102));
}

TEST_F(ModelRunnerTest, a_call_that_is_refused_tells_nobody) {
  const auto tell = [](Status) { FAIL(); };
  const Status refused = runner_->run_then({}, outputs(), tell);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().message, "input_ids: is missing, must be given");
}

TEST_F(ModelRunnerTest, outputs_may_be_left_out) { EXPECT_EQ(error(inputs(), {}), ""); }

TEST_F(ModelRunnerTest, names_are_checked) {
  InputViews in = inputs();
  in["ids"] = view(ids_);
  EXPECT_EQ(error(in, outputs()),
            "ids: is not an input of this model, must be one of input_ids, attention_mask, "
            "position_ids");
  in = inputs();
  in.erase("attention_mask");
  EXPECT_EQ(error(in, outputs()), "attention_mask: is missing, must be given");
  OutputViews out = outputs();
  out["logits"] = out["echo"];
  EXPECT_EQ(error(inputs(), out), "logits: is not an output of this model, must be one of echo");
}

TEST_F(ModelRunnerTest, types_shapes_and_sizes_are_checked) {
  InputViews in = inputs();
  in["input_ids"].dtype = DType::F32;
  EXPECT_EQ(error(in, outputs()), "input_ids: dtype is f32, must be i32, int64 or bool");
  in = inputs();
  in["input_ids"].shape = {1, 16};
  EXPECT_EQ(error(in, outputs()), "input_ids: shape is [1,16], must be [2,8]");
  in = inputs();
  in["input_ids"].bytes = in["input_ids"].bytes.first(60);
  EXPECT_EQ(error(in, outputs()), "input_ids: its buffer is 60 bytes, must be 64");
  OutputViews out = outputs();
  out["echo"].dtype = DType::F32;
  EXPECT_EQ(error(inputs(), out), "echo: dtype is f32, must be i32");
  out = outputs();
  out["echo"].shape = {16};
  EXPECT_EQ(error(inputs(), out), "echo: shape is [16], must be [2,8]");
}

TEST_F(ModelRunnerTest, values_past_a_table_are_refused_where_they_stand) {
  ids_[11] = 10000;
  EXPECT_EQ(error(inputs(), outputs()), "input_ids: value 10000 at [1,3], must be in 0..9999");
  ids_[11] = -1;
  EXPECT_EQ(error(inputs(), outputs()), "input_ids: value -1 at [1,3], must be in 0..9999");
}

TEST_F(ModelRunnerTest, int64_is_taken_if_it_fits) {
  std::vector<int64_t> wide(16, 9);
  InputViews in = inputs();
  in["position_ids"] = {
      DType::I32, true, {2, 8},
        std::as_bytes(std::span(wide))
  };
  EXPECT_EQ(error(in, outputs()), "");
  EXPECT_EQ(echo_, std::vector<int32_t>(16, 7109));
  wide[2] = int64_t{1} << 31;
  EXPECT_EQ(error(in, outputs()),
            "position_ids: value 2147483648 at [0,2], must be in -2147483648..2147483647");
}

TEST_F(ModelRunnerTest, a_wrong_call_in_the_background_says_so_in_its_future) {
  EXPECT_EQ(runner_->run_async({}, {}).get().error().message,
            "input_ids: is missing, must be given");
}

TEST_F(ModelRunnerTest, threads_share_it) {
  std::vector<std::thread> threads;
  for (int32_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int32_t i = 0; i < 50; ++i) {
        const std::vector<int32_t> ids(16, 100 * t + i);
        std::vector<int32_t> echo(16);
        InputViews in = inputs();
        in["input_ids"] = view(ids);
        const OutputViews out = {
            {"echo", {DType::I32, {2, 8}, std::as_writable_bytes(std::span(echo))}}
        };
        auto done = runner_->run_async(in, out);
        EXPECT_TRUE(done.get().ok());
        EXPECT_EQ(echo, std::vector<int32_t>(16, 1000 * (100 * t + i) + 102));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(ModelRunnerTest, what_was_submitted_is_finished_when_it_goes) {
  std::vector<std::future<Status>> futures;
  for (int i = 0; i < 20; ++i) futures.push_back(runner_->run_async(inputs(), outputs()));
  runner_.reset();
  for (auto& future : futures) EXPECT_TRUE(future.get().ok());
}

TEST(ModelRunner, takes_and_gives_float32_for_halves) {
  auto runner = ModelRunner::create(std::make_shared<const Executable>(tiny_executable(kHalves)));
  ASSERT_TRUE(runner.ok()) << runner.error().message;
  std::vector<float> x = {1, 2, 3, 0.1f, -5, 30000}, y(6);
  const InputViews in = {
      {"x", {DType::F32, false, {2, 3}, std::as_bytes(std::span(x))}}
  };
  const OutputViews out = {
      {"y", {DType::F32, {2, 3}, std::as_writable_bytes(std::span(y))}}
  };
  EXPECT_TRUE((*runner)->run(in, out).ok());
  EXPECT_EQ(y, (std::vector<float>{2, 4, 6, 2 * from_half(to_half(0.1f)), -10, 60000}));
  x[4] = std::numeric_limits<float>::infinity();
  EXPECT_TRUE((*runner)->run(in, out).ok());
  EXPECT_EQ(y[4], x[4]);
  x[4] = 70000;
  EXPECT_EQ((*runner)->run(in, out).error().message,
            "x: value 70000.000000 at [1,1], must be in -65504..65504");
}

// y is the input `info`.
Executable copy_of_info(const std::string& type, const std::string& shape) {
  return tiny_executable("program odd { target test input info: " + type + " = by " + shape +
                         " at 0 output y: " + type + " = by " + shape +
                         " at 0 inputs info outputs y step s {"
                         " copy on [1] at 0 perm=[0,1] step=[1,1]"
                         " read info [*, *] write y [*, *] } }");
}

// The runner of an executable that was not read from a file.
TEST(ModelRunner, an_unpack_info_that_is_not_of_integers_is_not_read_as_lengths) {
  Executable executable = copy_of_info("bool[5,1]", "[5,1]");
  executable.metadata.packing.unpack_info_input = "info";
  const auto runner = runner_of(std::move(executable));
  ASSERT_NE(runner, nullptr);
  const Bytes in(5, std::byte{1});
  Bytes out(5);
  const InputViews inputs = {
      {"info", {DType::Bool, false, {5, 1}, in}}
  };
  const OutputViews outputs = {
      {"y", {DType::Bool, {5, 1}, out}}
  };
  const Status ran = runner->run(inputs, outputs);
  EXPECT_TRUE(ran.ok()) << ran.error().message;
  EXPECT_EQ(out, in);
}

TEST(ModelRunner, a_request_of_form_b_stands_within_a_row) {
  Executable executable = copy_of_info("i32[2,2]", "[2,2]");
  PackingContract& packing = executable.metadata.packing;
  packing.form = PackingForm::B;
  packing.rows = 3;
  packing.row_length = 4;
  packing.max_valid_num = 2;
  packing.unpack_info_input = "info";
  const auto runner = runner_of(std::move(executable));
  ASSERT_NE(runner, nullptr);
  const auto error_of = [&](const std::vector<int32_t>& places) -> std::string {
    std::vector<int32_t> out(4);
    const InputViews inputs = {
        {"info", {DType::I32, false, {2, 2}, std::as_bytes(std::span(places))}}
    };
    const OutputViews outputs = {
        {"y", {DType::I32, {2, 2}, std::as_writable_bytes(std::span(out))}}
    };
    const Status ran = runner->run(inputs, outputs);
    return ran.ok() ? "" : ran.error().message;
  };
  EXPECT_EQ(error_of({9, 3, 0, 0}), "");
  EXPECT_EQ(error_of({0, 4, 6, 3}),
            "info: 3 tokens from 6 at [1], must be within one of the 3 rows of 4");
  EXPECT_EQ(error_of({12, 1, 0, 0}),
            "info: 1 tokens from 12 at [0], must be within one of the 3 rows of 4");
  EXPECT_EQ(error_of({-1, 1, 0, 0}),
            "info: 1 tokens from -1 at [0], must be within one of the 3 rows of 4");
  EXPECT_EQ(error_of({0, -1, 0, 0}),
            "info: -1 tokens from 0 at [0], must be within one of the 3 rows of 4");
}

TEST(ModelRunner, an_executable_whose_metadata_names_other_anchors_is_refused) {
  Executable executable = tiny_executable(kHalves);
  executable.metadata.anchors[0].shape = {3, 2};
  auto runner = ModelRunner::create(std::make_shared<const Executable>(std::move(executable)));
  ASSERT_FALSE(runner.ok());
  EXPECT_EQ(runner.error().kind, ErrorKind::BadFile);
  EXPECT_EQ(runner.error().message,
            "metadata: variable x has no anchor of its type, must have one");
}

}  // namespace
}  // namespace tessera
