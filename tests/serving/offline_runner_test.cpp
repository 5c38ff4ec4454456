// SPDX-License-Identifier: Apache-2.0
#include "serving/offline_runner.h"

#include <gtest/gtest.h>

#include "tests/helpers/echo.h"
#include "tests/helpers/token_requests.h"

namespace tessera {
namespace {

TEST(OfflineRunner, names_the_request_that_is_wrong) {
  const std::shared_ptr<ModelRunner> model = echo_runner(PackingForm::B);
  const std::vector<Request> requests = {request_of({1}), request_of({})};
  const auto result = run_offline(*model, PackPolicy::NextFit, requests);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().message, "request 1: input_ids has 0 tokens, must be 1..8");
}

TEST(OfflineRunner, an_input_that_nothing_fills_is_refused) {
  Executable executable = echo_executable(PackingForm::B);
  executable.metadata.packing.token_inputs.clear();
  executable.metadata.packing.token_inputs.push_back("attention_mask");
  auto model = ModelRunner::create(std::make_shared<const Executable>(std::move(executable)));
  ASSERT_TRUE(model.ok());
  const auto result = run_offline(**model, PackPolicy::NextFit, {});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().message,
            "packing: nothing says what input input_ids carries, must be tokens, mask, positions "
            "or unpack_info");
}

// An output [rows,row_length] of a padded model is one value a token, if the compiler does not say
// that it is one row a request.
TEST(OfflineRunner, gives_a_whole_row_where_the_contract_says_so) {
  for (const bool row : {false, true}) {
    Executable executable = echo_executable(PackingForm::None);
    if (row)
      executable.metadata.packing.outputs = {
          {"echo", true}
      };
    auto model = ModelRunner::create(std::make_shared<const Executable>(std::move(executable)),
                                     {.threads = 1, .jit = shared_jit()});
    ASSERT_TRUE(model.ok()) << model.error().message;
    const std::vector<Request> requests = {request_of({5, 6, 7})};
    const auto result = run_offline(**model, PackPolicy::NextFit, requests);
    ASSERT_TRUE(result.ok()) << result.error().message;
    EXPECT_EQ(result->answers[0].outputs.at("echo").size(), (row ? 8 : 3) * sizeof(int32_t));
  }
}

}  // namespace
}  // namespace tessera
