// SPDX-License-Identifier: Apache-2.0
#include "compiler/lengths.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "compiler/convert.h"
#include "tests/compiler/sum_of_words.h"

namespace tessera::test {
namespace {

using ::testing::HasSubstr;

// The sum over a number that the graph makes of one axis of the ids' shape.
ModelBuilder sum_by(const std::string& axis, ModelBuilder m, const std::string& at_most = "") {
  m.node("Shape", {"input_ids"}, {"shape"}, "shape");
  m.node("Gather", {"shape", axis}, {"size"}, "size");
  std::string size = "size";
  if (!at_most.empty()) m.node("Min", {"size", at_most}, {size = "bounded"}, "bounded");
  set_attribute(m.node("Cast", {size}, {"divisor"}, "cast"), "to", int64_t{TensorProto::FLOAT});
  m.node("Div", {"sum", "divisor"}, {"y"}, "mean");
  m.output("y");
  return m;
}
ModelBuilder mean_over_rows(const std::string& length = "seq") {
  return sum_by("one", sum_of_words(length));
}

Expected<PackingContract> contract_of(const ModelBuilder& model, CompileOptions options = {}) {
  const TempFolder folder;
  options.input_shape["input_ids"] = options.input_shape["attention_mask"] = {2, 8};
  const auto converted = convert(model.save(folder), options);
  if (!converted.ok()) return converted.error();
  return converted->packing;
}

TEST(Lengths, a_sum_under_the_mask_is_of_any_length) {
  ModelBuilder model = sum_of_words();
  model.output("sum");
  const auto contract = contract_of(model);
  ASSERT_TRUE(contract.ok()) << contract.error().message;
  EXPECT_EQ(contract->request_size, RequestSize::Tokens) << contract->why_no_less;
}

TEST(Lengths, a_number_that_the_row_length_makes_is_of_one_length) {
  const auto contract = contract_of(mean_over_rows());
  ASSERT_TRUE(contract.ok()) << contract.error().message;
  EXPECT_EQ(contract->request_size, RequestSize::Row);
  EXPECT_THAT(contract->why_no_less, HasSubstr("node 'mean' (div): uses a number that is made of "
                                               "the row length (8 at 8 tokens, 7 at 7)"));
}

TEST(Lengths, a_number_that_changes_in_steps_is_found) {
  ModelBuilder model = sum_by("one", sum_of_words(), "four");
  model.ints("four", {4}, true);  // 4 at 8 and at 7 tokens, 2 at 2
  const auto contract = contract_of(model);
  ASSERT_TRUE(contract.ok()) << contract.error().message;
  EXPECT_EQ(contract->request_size, RequestSize::Row);
  EXPECT_THAT(contract->why_no_less, HasSubstr("made of the row length"));
}

TEST(Lengths, a_number_that_the_rows_make_is_of_one_batch) {
  const auto contract = contract_of(sum_by("zero", sum_of_words("seq", "batch")));
  ASSERT_TRUE(contract.ok()) << contract.error().message;
  EXPECT_EQ(contract->request_size, RequestSize::Batch);
  EXPECT_THAT(contract->why_no_less, HasSubstr("made of the number of rows (2 at 2 rows, 3 at 3)"));
}

TEST(Lengths, a_number_that_is_another_for_one_token_alone_is_of_one_length) {
  ModelBuilder model = sum_by("one", sum_of_words(), "two");
  model.ints("two", {2}, true);  // 2 at any length but one
  const auto contract = contract_of(model);
  ASSERT_TRUE(contract.ok()) << contract.error().message;
  EXPECT_EQ(contract->request_size, RequestSize::Row);
  EXPECT_THAT(contract->why_no_less, HasSubstr("made of the row length (2 at 8 tokens, 1 at 1)"));
}

// A rotary angle of the first place is 0, and a product by its cosine is one by 1.
TEST(Lengths, a_product_by_1_at_one_token_alone_is_of_any_length) {
  ModelBuilder model = sum_of_words();
  model.ints("zero_0", {0}, true).ints("step", {1}, true).ints("axis_0", {0});
  model.node("Shape", {"input_ids"}, {"shape"}, "shape");
  model.node("Gather", {"shape", "one"}, {"size"}, "size");
  model.node("Range", {"zero_0", "size", "step"}, {"places"}, "places");
  set_attribute(model.node("Cast", {"places"}, {"angles"}, "cast"), "to",
                int64_t{TensorProto::FLOAT});
  model.node("Cos", {"angles"}, {"cos"}, "cos");
  model.node("Unsqueeze", {"cos", "axis_1"}, {"cosines"}, "unsqueeze_cos");
  model.node("Mul", {"words", "cosines"}, {"y"}, "rotate");
  model.output("y").output("sum");
  const auto contract = contract_of(model);
  ASSERT_TRUE(contract.ok()) << contract.error().message;
  EXPECT_EQ(contract->request_size, RequestSize::Tokens) << contract->why_no_less;
}

// A request is alone in its batch.
TEST(Lengths, a_number_that_is_another_for_one_row_alone_is_of_one_batch) {
  ModelBuilder model = sum_by("zero", sum_of_words("seq", "batch"), "two");
  model.ints("two", {2}, true);  // 2 at 2 and at 3 rows, 1 at 1
  const auto contract = contract_of(model);
  ASSERT_TRUE(contract.ok()) << contract.error().message;
  EXPECT_EQ(contract->request_size, RequestSize::Batch);
  EXPECT_THAT(contract->why_no_less, HasSubstr("made of the number of rows (2 at 2 rows, 1 at 1)"));
}

::onnx::NodeProto& add_branch(::onnx::NodeProto& choice, const char* name) {
  auto* branch = choice.add_attribute();
  branch->set_name(name);
  branch->set_type(::onnx::AttributeProto::GRAPH);
  branch->mutable_g()->add_output()->set_name(name);
  auto* node = branch->mutable_g()->add_node();
  node->add_output(name);
  return *node;
}

void set_up(::onnx::NodeProto& node, const std::string& op, const Names& inputs) {
  node.set_op_type(op);
  for (const std::string& one : inputs) node.add_input(one);
}

// Words for which a graph whose axis is of one computes `then`, and others `otherwise`.
ModelBuilder chosen_at_one(const std::string& axis, const std::string& op, const Names& then,
                           const Names& otherwise) {
  ModelBuilder m = sum_of_words("seq", "batch");
  m.floats("bias", {1, 2}, {2});
  m.node("Shape", {"input_ids"}, {"shape"}, "shape");
  m.node("Gather", {"shape", axis}, {"size"}, "size");
  m.node("Equal", {"size", "one"}, {"is_one"}, "is_one");
  auto& choice = m.node("If", {"is_one"}, {"y"}, "choice");
  set_up(add_branch(choice, "then_branch"), op, then);
  set_up(add_branch(choice, "else_branch"), op, otherwise);
  m.output("y").output("sum");
  return m;
}

// The graphs have the same operations, and other operands.
TEST(Lengths, a_graph_that_is_another_for_one_row_alone_is_of_one_batch) {
  const auto contract =
      contract_of(chosen_at_one("zero", "Sub", {"words", "bias"}, {"bias", "words"}));
  ASSERT_TRUE(contract.ok()) << contract.error().message;
  EXPECT_EQ(contract->request_size, RequestSize::Batch);
  EXPECT_THAT(contract->why_no_less, HasSubstr("its graph is another at one row than at 2 rows"));
}

TEST(Lengths, a_graph_that_is_another_for_one_token_alone_is_of_one_length) {
  const auto contract =
      contract_of(chosen_at_one("one", "Sub", {"words", "bias"}, {"bias", "words"}));
  ASSERT_TRUE(contract.ok()) << contract.error().message;
  EXPECT_EQ(contract->request_size, RequestSize::Row);
  EXPECT_THAT(contract->why_no_less,
              HasSubstr("its graph is another at one token than at 8 tokens"));
}

TEST(Lengths, halves_that_one_row_alone_joins_in_another_order_are_of_one_batch) {
  ModelBuilder m = sum_of_words("seq", "batch");
  m.floats("other", {3, 1, 2, 5, 6, 4}, {3, 2});
  m.node("Gather", {"other", "input_ids"}, {"others"}, "others");
  m.node("Shape", {"input_ids"}, {"shape"}, "shape");
  m.node("Gather", {"shape", "zero"}, {"size"}, "size");
  m.node("Equal", {"size", "one"}, {"is_one"}, "is_one");
  auto& choice = m.node("If", {"is_one"}, {"y"}, "choice");
  for (const bool is_one : {true, false}) {
    auto& join = add_branch(choice, is_one ? "then_branch" : "else_branch");
    set_up(join, "Concat", is_one ? Names{"words", "others"} : Names{"others", "words"});
    set_attribute(join, "axis", int64_t{2});
  }
  m.output("y").output("sum");
  const auto contract = contract_of(m);
  ASSERT_TRUE(contract.ok()) << contract.error().message;
  EXPECT_EQ(contract->request_size, RequestSize::Batch);
  EXPECT_THAT(contract->why_no_less, HasSubstr("its graph is another at one row"));
}

// Rows are compared at few tokens first.
TEST(Lengths, a_number_of_all_tokens_that_one_row_alone_changes_is_of_one_batch) {
  ModelBuilder m = sum_of_words("seq", "batch");
  m.ints("hundred", {100}, true);
  m.node("Size", {"input_ids"}, {"size"}, "size");
  m.node("Min", {"size", "hundred"}, {"bounded"}, "bounded");
  set_attribute(m.node("Cast", {"bounded"}, {"divisor"}, "cast"), "to",
                int64_t{TensorProto::FLOAT});
  m.node("Max", {"divisor", "least"}, {"y_by"}, "at_least");
  m.floats("least", {90}, {});
  m.node("Div", {"words", "y_by"}, {"y"}, "mean");
  m.output("y").output("sum");
  const TempFolder folder;
  CompileOptions options;
  options.input_shape["input_ids"] = options.input_shape["attention_mask"] = {2, 70};
  const auto converted = convert(m.save(folder), options);
  ASSERT_TRUE(converted.ok()) << converted.error().message;
  EXPECT_EQ(converted->packing.request_size, RequestSize::Batch);
}

TEST(Lengths, a_model_with_such_a_number_is_not_packed) {
  CompileOptions options;
  options.pack_args = PackArgs{.max_valid_num = 4, .segment_max_size = 8};
  ModelBuilder model = mean_over_rows();
  model.graph().clear_output();
  model.output("scaled");
  model.node("Div", {"words", "divisor"}, {"scaled"}, "scale");
  const auto contract = contract_of(model, options);
  ASSERT_FALSE(contract.ok());
  EXPECT_THAT(contract.error().message, HasSubstr("made of the row length"));
}

// Folding stops where a constant would be larger than 4096 bytes and than what it is made of: the
// places times 256 frequencies at 8 tokens, and not at 3.
TEST(Lengths, numbers_of_places_are_compared_however_large_they_are) {
  ModelBuilder m;
  m.input("input_ids", kInt64, "2,seq").input("attention_mask", kInt64, "2,seq").output("y");
  m.floats("table", {1, 2, 3, 4, 5, 6}, {3, 2});
  m.floats("frequencies", std::vector<float>(256, 0.5F), {1, 256});
  m.floats("weights", std::vector<float>(512, 0.25F), {256, 2});
  m.ints("zero", {0}, true).ints("one", {1}, true).ints("axis_1", {1});
  m.node("Gather", {"table", "input_ids"}, {"words"});
  m.node("Shape", {"input_ids"}, {"shape"});
  m.node("Gather", {"shape", "one"}, {"size"});
  m.node("Range", {"zero", "size", "one"}, {"places"});
  m.node("Unsqueeze", {"places", "axis_1"}, {"column"});
  set_attribute(m.node("Cast", {"column"}, {"floats"}), "to", int64_t{TensorProto::FLOAT});
  m.node("Mul", {"floats", "frequencies"}, {"angles"});
  m.node("MatMul", {"angles", "weights"}, {"turned"});
  m.node("Add", {"words", "turned"}, {"y"});
  const auto contract = contract_of(m);
  ASSERT_TRUE(contract.ok()) << contract.error().message;
  EXPECT_EQ(contract->request_size, RequestSize::Tokens) << contract->why_no_less;
}

// A softmax over keys of scores to which slope * (key + 1 - length) is added, as MPT does; `step`,
// an operation, stands between.
ModelBuilder with_key_numbers(const std::string& step) {
  ModelBuilder m;
  m.input("input_ids", kInt64, "2,seq").input("attention_mask", kInt64, "2,seq").output("y");
  m.floats("table", {1, 2, 3, 4, 5, 6}, {3, 2});
  m.floats("slope", {0.3F}, {});
  m.floats("low", {-1e30F}, {});
  m.ints("zero", {0}, true).ints("one", {1}, true).ints("axis_1", {1});
  m.node("Gather", {"table", "input_ids"}, {"words"});
  set_attribute(m.node("Transpose", {"words"}, {"keys"}), "perm", std::vector<int64_t>{0, 2, 1});
  m.node("MatMul", {"words", "keys"}, {"scores"});
  m.node("Shape", {"input_ids"}, {"shape"});
  m.node("Gather", {"shape", "one"}, {"size"});
  m.node("Sub", {"one", "size"}, {"first"});
  m.node("Range", {"first", "one", "one"}, {"places"});
  set_attribute(m.node("Cast", {"places"}, {"floats"}), "to", int64_t{TensorProto::FLOAT});
  m.node("Mul", {"floats", "slope"}, {"numbers"});
  m.node("Add", {"scores", "numbers"}, {"sum"}, "sum");
  m.node("Equal", {"attention_mask", "zero"}, {"none"});
  m.node("Unsqueeze", {"none", "axis_1"}, {"hidden"});
  m.node(step, {"sum"}, {"stepped"});
  m.node("Where", {"hidden", "low", "stepped"}, {"masked"});
  set_attribute(m.node("Softmax", {"masked"}, {"weights"}), "axis", int64_t{-1});
  m.node("MatMul", {"weights", "words"}, {"y"});
  return m;
}

TEST(Lengths, numbers_that_shift_all_keys_of_a_query_weigh_alike) {
  const auto contract = contract_of(with_key_numbers("Identity"));
  ASSERT_TRUE(contract.ok()) << contract.error().message;
  EXPECT_EQ(contract->request_size, RequestSize::Tokens) << contract->why_no_less;
}

TEST(Lengths, such_numbers_are_told_from_each_other_where_scores_are_more_than_weights) {
  const auto contract = contract_of(with_key_numbers("Relu"));
  ASSERT_TRUE(contract.ok()) << contract.error().message;
  EXPECT_THAT(contract->why_no_less, HasSubstr("node 'sum' (add): uses a number that is made of"));
}

// Tokens in front, and rows joined with two heads of one number each, as torch.nn's attention does.
TEST(Lengths, rows_that_are_joined_with_heads_are_of_any_size) {
  ModelBuilder m;
  m.input("input_ids", kInt64, "batch,seq").input("attention_mask", kInt64, "batch,seq");
  m.output("y");
  m.floats("table", {1, 2, 3, 4, 5, 6}, {3, 2});
  m.ints("zero", {0}).ints("one", {1}).ints("two", {2});
  m.node("Gather", {"table", "input_ids"}, {"words"});
  const std::vector<int64_t> turn = {1, 0, 2};
  set_attribute(m.node("Transpose", {"words"}, {"turned"}), "perm", turn);
  m.node("Shape", {"input_ids"}, {"shape"});
  m.node("Gather", {"shape", "zero"}, {"rows"});
  m.node("Gather", {"shape", "one"}, {"length"});
  m.node("Mul", {"rows", "two"}, {"joined_rows"});
  set_attribute(m.node("Concat", {"length", "joined_rows", "one"}, {"joined_shape"}), "axis",
                int64_t{0});
  m.node("Reshape", {"turned", "joined_shape"}, {"joined"});
  m.node("Relu", {"joined"}, {"relu"});
  set_attribute(m.node("Concat", {"length", "rows", "two"}, {"apart_shape"}), "axis", int64_t{0});
  m.node("Reshape", {"relu", "apart_shape"}, {"apart"});
  set_attribute(m.node("Transpose", {"apart"}, {"y"}), "perm", turn);
  const auto contract = contract_of(m);
  ASSERT_TRUE(contract.ok()) << contract.error().message;
  EXPECT_EQ(contract->request_size, RequestSize::Tokens) << contract->why_no_less;
}

// A row of a table for every token is held whole where that is small: at 2 tokens, and not at 8.
TEST(Lengths, a_constant_is_the_same_however_it_is_held) {
  ModelBuilder m;
  m.input("input_ids", kInt64, "2,seq").input("attention_mask", kInt64, "2,seq").output("y");
  std::vector<float> numbers(48);
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(i);
  m.floats("table", numbers, {3, 16});
  m.floats("types", {numbers.begin(), numbers.begin() + 16}, {1, 16});
  m.node("Shape", {"input_ids"}, {"shape"});
  m.node("ConstantOfShape", {"shape"}, {"no_type_f"});
  set_attribute(m.node("Cast", {"no_type_f"}, {"no_type"}), "to", int64_t{kInt64});
  m.node("Gather", {"table", "input_ids"}, {"words"});
  m.node("Gather", {"types", "no_type"}, {"typed"});
  m.node("Add", {"words", "typed"}, {"y"});
  const auto contract = contract_of(m);
  ASSERT_TRUE(contract.ok()) << contract.error().message;
  EXPECT_EQ(contract->request_size, RequestSize::Tokens) << contract->why_no_less;
}

TEST(Lengths, a_model_of_one_length_has_nothing_to_compare_with) {
  const auto contract = contract_of(mean_over_rows("8"));
  ASSERT_TRUE(contract.ok()) << contract.error().message;
  EXPECT_EQ(contract->request_size, RequestSize::Tokens) << contract->why_no_less;
}

}  // namespace
}  // namespace tessera::test
