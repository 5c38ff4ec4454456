// SPDX-License-Identifier: Apache-2.0
#include "serving/padded_rows.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "serving/batch_runner.h"
#include "serving/offline_runner.h"
#include "serving/rejection.h"
#include "serving/request_contract.h"
#include "tests/helpers/echo.h"
#include "tests/helpers/packing_forms.h"

namespace tessera {
namespace {

using Ints = std::vector<int32_t>;

// Three requests of 2, 4 and 1 tokens in rows of 5: padding behind, before, and around them.
Request padded() {
  Request batch;
  batch.tokens["input_ids"] = {1, 2, 77, 77, 77, 77, 3, 4, 5, 6, 77, 77, 7, 77, 77};
  batch.tokens["attention_mask"] = {1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 1, 0, 0};
  for (const auto& [name, tokens] : batch.tokens) batch.shapes[name] = {3, 5};
  return batch;
}

std::vector<Request> rows_of(const Request& batch) {
  EXPECT_TRUE(padded_batch("input_ids", batch).has_value());
  auto rows = split_rows(batch, "input_ids");
  EXPECT_TRUE(rows.ok()) << rows.error().message;
  return rows.ok() ? rows.take() : std::vector<Request>();
}

// The model has an axis of 1 for the batch before this shape.
TEST(AnswerShape, is_that_of_the_request_alone) {
  PackingContract contract;
  contract.request_size = RequestSize::Tokens;
  contract.outputs = {
      {"tokens",   false},
      {"pooled",   true },
      {"a number", true }
  };
  const auto shape = [&](const char* name, Shape of, size_t bytes) {
    Anchor output;
    output.name = name;
    output.shape = std::move(of);
    return answer_shape(contract, output, bytes);
  };
  for (const PackingForm form : {PackingForm::None, PackingForm::A, PackingForm::B}) {
    contract.form = form;
    EXPECT_EQ(shape("tokens", {2, 5, 4}, 48), (Shape{3, 4}));
    EXPECT_EQ(shape("tokens", {2, 5}, 12), Shape{3});
    EXPECT_EQ(shape("pooled", {2, 4}, 16), Shape{4});
    EXPECT_EQ(shape("pooled", {2, 3, 4}, 48), (Shape{3, 4}));
    EXPECT_EQ(shape("a number", {2}, 4), Shape{});
  }
  contract.form = PackingForm::None;
  contract.request_size = RequestSize::Batch;
  EXPECT_EQ(shape("tokens", {1, 5, 4}, 80), (Shape{5, 4}));
  EXPECT_EQ(shape("tokens", {2, 5}, 40), (Shape{2, 5}));
  EXPECT_EQ(shape("a number", {}, 4), Shape{});
}

class PaddedRowsInEveryForm : public ::testing::TestWithParam<PackingForm> {};

TEST_P(PaddedRowsInEveryForm, are_answered_as_requests_and_come_back_where_they_stood) {
  const std::shared_ptr<ModelRunner> model = echo_runner(GetParam());
  const Metadata& metadata = model->executable().metadata;
  const auto result = run_offline(*model, PackPolicy::NextFit, rows_of(padded()));
  ASSERT_TRUE(result.ok()) << result.error().message;
  Ints wanted(15);
  const std::vector<Request> alone = {
      {{{"input_ids", {1, 2}}}}, {{{"input_ids", {3, 4, 5, 6}}}}, {{{"input_ids", {7}}}}};
  const auto expected = run_offline(*model, PackPolicy::NextFit, alone);
  ASSERT_TRUE(expected.ok()) << expected.error().message;
  constexpr size_t kStarts[] = {0, 6, 12};
  for (size_t i = 0; i < 3; ++i) {
    const Ints echo = values_of<int32_t>(expected->answers[i].outputs.at("echo"));
    std::copy(echo.begin(), echo.end(), wanted.begin() + static_cast<ptrdiff_t>(kStarts[i]));
  }
  const Anchor& echo = metadata.anchors.back();
  ASSERT_EQ(echo.name, "echo");
  const PackingContract contract = request_contract(metadata).take();
  const BatchOutput joined = join_rows(output_of_request(contract, echo), echo, 5, result->answers);
  EXPECT_EQ(joined.shape, (Shape{3, 5}));
  EXPECT_EQ(values_of<int32_t>(joined.bytes), wanted);
}

INSTANTIATE_TEST_SUITE_P(, PaddedRowsInEveryForm,
                         ::testing::Values(PackingForm::None, PackingForm::A, PackingForm::B),
                         form_name);

TEST(PaddedRows, one_row_is_a_request_unless_it_is_asked_for) {
  Request one;
  one.tokens["input_ids"] = {1, 2};
  for (const Shape& shape : {
           Shape{2},
           Shape{1, 2}
  }) {
    one.shapes["input_ids"] = shape;
    EXPECT_FALSE(padded_batch("input_ids", one));
    EXPECT_EQ(padded_batch("input_ids", one, true).has_value(), shape.size() == 2);
  }
}

TEST(PaddedRows, arrays_of_another_shape_are_refused) {
  Request batch = padded();
  batch.tokens["token_type_ids"].resize(12);
  batch.shapes["token_type_ids"] = {3, 4};
  const auto refused = split_rows(batch, "input_ids");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().message,
            "request: token_type_ids is [3,4], must begin with [3,5] as input_ids of this padded "
            "batch");
  batch.shapes["input_ids"] = {0, 5};
  EXPECT_EQ(split_rows(batch, "input_ids").error().type, rejection::kEmpty);
}

TEST(PaddedRows, holes_and_rows_of_padding_are_refused) {
  Request batch = padded();
  batch.tokens["attention_mask"] = {1, 0, 1, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0};
  const auto model = echo_runner(PackingForm::B);
  const std::vector<Request> rows = rows_of(batch);
  const auto runner = BatchRunner::create(*model).take();
  EXPECT_EQ(runner->check(rows[0]).error().message,
            "request: attention_mask has a 1 at 2, must be 1 for every token and 0 for the padding "
            "before or behind them");
  EXPECT_EQ(runner->check(rows[0]).error().type, rejection::kHoleInMask);
  EXPECT_EQ(*runner->check(rows[1]), 4);
  EXPECT_EQ(runner->check(rows[2]).error().type, rejection::kEmpty);
}

TEST(PaddedRows, are_cut_to_their_own_tokens) {
  Request row;
  row.tokens = {
      {"input_ids", {0, 0, 5, 6}            },
      {"mask",      {0, 0, 1, 1}            },
      {"bbox",      {0, 0, 0, 0, 1, 2, 3, 4}}
  };
  row.shapes = {
      {"input_ids", {4}   },
      {"mask",      {4}   },
      {"bbox",      {4, 2}}
  };
  const Request own = without_padding(row, "input_ids", "mask", 1).take();
  EXPECT_EQ(own.tokens.at("input_ids"), (Ints{5, 6}));
  EXPECT_EQ(own.tokens.at("bbox"), (Ints{1, 2, 3, 4}));
  EXPECT_EQ(own.shapes.at("bbox"), (Shape{2, 2}));
  EXPECT_FALSE(own.tokens.contains("mask"));
  const Request hidden = without_padding(row, "input_ids", "mask", 0).take();
  EXPECT_EQ(hidden.tokens.at("input_ids"), (Ints{0, 0}));
}

}  // namespace
}  // namespace tessera
