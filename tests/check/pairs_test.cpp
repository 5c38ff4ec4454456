// SPDX-License-Identifier: Apache-2.0
// Attention that is not an op of the Graph: values with an entry for each two tokens, and numbers
// of a token for each distance (DeBERTa). It is computed on rows of one request and packed again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "check/check.h"
#include "tests/check/encoder.h"

namespace tessera::test {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kHeads = 2, kOfHead = kHidden / kHeads, kMostPlaces = 20;

// [heads,kOfHead,2 · length]: what a head says of the distances -length … length - 1.
void put_table(ModelBuilder& m, const std::string& name, int64_t seed) {
  m.floats(name + "_all", numbers(kHeads * kOfHead * 2 * kMostPlaces, seed),
           {kHeads, kOfHead, 2 * kMostPlaces});
  m.node("Slice", {name + "_all", "from", "until", "last"}, {name});
}

// A model of any length, with heads %q, %k and %v [batch,heads,sequence,kOfHead] of its words, how
// far apart tokens are, and which two are both there.
ModelBuilder heads(const std::string& size = "batch,sequence") {
  ModelBuilder m;
  m.input("input_ids", TensorProto::INT64, size);
  m.input("attention_mask", TensorProto::INT64, size).output("answer");
  m.floats("words", numbers(kWords * kHidden, 1), {kWords, kHidden});
  m.floats("lowest", {-3.4028235e38F}, {});
  m.ints("split", {0, 0, kHeads, kOfHead}).ints("joined", {0, 0, kHidden});
  m.ints("places", {kMostPlaces}).ints("last", {2}).ints("zero", {0}, true).ints("one", {1}, true);
  m.ints("axis0", {0}).ints("axis1", {1}).ints("axis12", {1, 2});
  m.ints("axis13", {1, 3});
  m.node("Shape", {"input_ids"}, {"shape"});
  m.node("Gather", {"shape", "one"}, {"length"});
  m.node("Gather", {"shape", "zero"}, {"rows"});
  m.node("Sub", {"places", "length"}, {"from"});
  m.node("Add", {"places", "length"}, {"until"});
  m.node("Range", {"zero", "length", "one"}, {"place"});
  m.node("Unsqueeze", {"place", "axis0"}, {"key"});
  m.node("Unsqueeze", {"place", "axis1"}, {"query"});
  m.node("Sub", {"query", "key"}, {"distance"});
  m.node("Unsqueeze", {"attention_mask", "axis12"}, {"key_there"});
  m.node("Unsqueeze", {"attention_mask", "axis13"}, {"query_there"});
  m.node("Mul", {"key_there", "query_there"}, {"both"});
  set_attribute(m.node("Cast", {"both"}, {"both_there"}), "to", int64_t{TensorProto::BOOL});
  m.node("Not", {"both_there"}, {"hidden"});
  m.node("Gather", {"words", "input_ids"}, {"x"});
  for (const std::string name : {"q", "k", "v"}) {
    m.floats(name + "_w", numbers(kHidden * kHidden, name[0]), {kHidden, kHidden});
    m.node("MatMul", {"x", name + "_w"}, {name + "_x"});
    m.node("Reshape", {name + "_x", "split"}, {name + "_4"});
    set_attribute(m.node("Transpose", {name + "_4"}, {name}), "perm", Ints{0, 2, 1, 3});
  }
  return m;
}

// %scores [batch,heads,sequence,sequence] to %answer, tokens that attended.
void attend(ModelBuilder& m) {
  m.node("Where", {"hidden", "lowest", "scores"}, {"masked"});
  m.node("Softmax", {"masked"}, {"weights"});
  m.node("MatMul", {"weights", "v"}, {"seen"});
  set_attribute(m.node("Transpose", {"seen"}, {"back"}), "perm", Ints{0, 2, 1, 3});
  m.node("Reshape", {"back", "joined"}, {"attended"});
  m.node("Add", {"attended", "x"}, {"answer"});
}

// For `pairs`, whose last axes are two tokens: what the first says of one that is so far away. The
// index is counted from the shortest distance that the table has.
void look_up(ModelBuilder& m, const std::string& numbers, const std::string& index,
             const std::string& pairs, const std::string& to) {
  m.node("Shape", {pairs}, {to + "_shape"});
  m.node("Expand", {index, to + "_shape"}, {to + "_index"});
  set_attribute(m.node("GatherElements", {numbers, to + "_index"}, {to}), "axis", int64_t{-1});
}

// Attention with tables of queries for keys, and of keys for queries.
ModelBuilder disentangled(const std::string& size = "batch,sequence") {
  ModelBuilder m = heads(size);
  put_table(m, "of_queries", 5);
  put_table(m, "of_keys", 6);
  m.node("Add", {"distance", "length"}, {"ahead"});
  m.node("Sub", {"length", "distance"}, {"behind"});
  set_attribute(m.node("Transpose", {"k"}, {"kt"}), "perm", Ints{0, 1, 3, 2});
  m.node("MatMul", {"q", "kt"}, {"products"});
  m.node("MatMul", {"q", "of_queries"}, {"all_c2p"});
  look_up(m, "all_c2p", "ahead", "products", "c2p");
  m.node("MatMul", {"k", "of_keys"}, {"all_p2c"});
  look_up(m, "all_p2c", "behind", "products", "p2c_turned");
  set_attribute(m.node("Transpose", {"p2c_turned"}, {"p2c"}), "perm", Ints{0, 1, 3, 2});
  m.node("Add", {"c2p", "p2c"}, {"by_distance"});
  m.node("Add", {"products", "by_distance"}, {"scores"});
  return m;
}

std::string why_not_packed(const ModelBuilder& m) {
  const TempFolder folder;
  CheckOptions options;
  options.machine.threads = 1;
  const auto report = check_model(m.save(folder), options);
  if (!report.ok()) return report.error().message;
  for (const FormVerdict& form : report->forms)
    if (form.form == PackingForm::A) return form.why_not;
  return "";
}

TEST(Pairs, what_tokens_say_of_distances_is_right_in_each_request) {
  ModelBuilder m = disentangled();
  attend(m);
  expect_each_request_is_right(m, {}, {"padded", "A", "B"});
}

TEST(Pairs, what_tokens_say_of_distances_is_right_in_a_batch_of_one_row) {
  ModelBuilder m = disentangled("1,sequence");
  attend(m);
  expect_each_request_is_right(m, {}, {"padded", "A", "B"});
}

TEST(Pairs, heads_may_be_joined_with_rows) {
  ModelBuilder m = heads();
  put_table(m, "of_queries", 5);
  m.ints("unjoined", {-1, kHeads, 0, 0}).ints("more", {1, 1});
  m.ints("of_rows", {-1, 0, 0});
  m.node("Unsqueeze", {"length", "axis0"}, {"length_1"});
  m.ints("any", {-1}).ints("width", {kOfHead});
  set_attribute(m.node("Concat", {"any", "length_1", "width"}, {"shape_3"}), "axis", int64_t{0});
  set_attribute(m.node("Concat", {"any", "length_1", "length_1"}, {"scores_3"}), "axis",
                int64_t{0});
  m.ints("heads_1", {kHeads});
  set_attribute(m.node("Concat", {"any", "heads_1", "length_1", "length_1"}, {"scores_4"}), "axis",
                int64_t{0});
  set_attribute(m.node("Concat", {"any", "heads_1", "length_1", "width"}, {"shape_4"}), "axis",
                int64_t{0});
  for (const std::string name : {"q", "k", "v"})
    m.node("Reshape", {name, "shape_3"}, {name + "_3"});
  m.node("Unsqueeze", {"rows", "axis0"}, {"rows_1"});
  set_attribute(m.node("Concat", {"rows_1", "more"}, {"times"}), "axis", int64_t{0});
  m.node("Tile", {"of_queries", "times"}, {"of_all"});
  m.node("Add", {"distance", "length"}, {"ahead"});
  set_attribute(m.node("Transpose", {"k_3"}, {"kt"}), "perm", Ints{0, 2, 1});
  m.node("MatMul", {"q_3", "kt"}, {"products"});
  m.node("MatMul", {"q_3", "of_all"}, {"all_c2p"});
  look_up(m, "all_c2p", "ahead", "products", "c2p");
  m.node("Add", {"products", "c2p"}, {"sums"});
  m.node("Reshape", {"sums", "scores_4"}, {"scores"});
  m.node("Where", {"hidden", "lowest", "scores"}, {"masked"});
  m.node("Softmax", {"masked"}, {"weights"});
  m.node("Reshape", {"weights", "scores_3"}, {"weights_3"});
  m.node("MatMul", {"weights_3", "v_3"}, {"seen_3"});
  m.node("Reshape", {"seen_3", "shape_4"}, {"seen"});
  set_attribute(m.node("Transpose", {"seen"}, {"back"}), "perm", Ints{0, 2, 1, 3});
  m.node("Reshape", {"back", "joined"}, {"answer"});
  expect_each_request_is_right(m, {}, {"padded", "A", "B"});
}

TEST(Pairs, a_second_layer_goes_on_from_packed_tokens_and_a_head_from_the_last) {
  ModelBuilder m = disentangled();
  m.node("Where", {"hidden", "lowest", "scores"}, {"masked"});
  m.node("Softmax", {"masked"}, {"weights"});
  m.node("MatMul", {"weights", "v"}, {"seen"});
  m.node("MatMul", {"weights", "seen"}, {"seen_twice"});
  set_attribute(m.node("Transpose", {"seen_twice"}, {"back"}), "perm", Ints{0, 2, 1, 3});
  m.node("Reshape", {"back", "joined"}, {"attended"});
  m.node("Tanh", {"attended"}, {"z"});
  m.node("Reshape", {"z", "split"}, {"z_4"});
  set_attribute(m.node("Transpose", {"z_4"}, {"z_h"}), "perm", Ints{0, 2, 1, 3});
  set_attribute(m.node("Transpose", {"z_4"}, {"z_t"}), "perm", Ints{0, 2, 3, 1});
  m.node("MatMul", {"z_h", "z_t"}, {"scores_2"});
  m.node("Add", {"scores_2", "c2p"}, {"more_2"});
  m.node("Where", {"hidden", "lowest", "more_2"}, {"masked_2"});
  m.node("Softmax", {"masked_2"}, {"weights_2"});
  m.node("MatMul", {"weights_2", "z_h"}, {"seen_2"});
  set_attribute(m.node("Transpose", {"seen_2"}, {"back_2"}), "perm", Ints{0, 2, 1, 3});
  m.node("Reshape", {"back_2", "joined"}, {"tokens"});
  set_attribute(m.node("Gather", {"tokens", "zero"}, {"answer"}), "axis", int64_t{1});
  expect_each_request_is_right(m, {}, {"padded", "A", "B"});
}

TEST(Pairs, a_causal_constant_leaves_out_the_keys_behind_a_request) {
  ModelBuilder m = heads();
  m.floats("bias_w", numbers(kOfHead * kOfHead, 9), {kOfHead, kOfHead});
  m.node("Less", {"query", "key"}, {"later"});
  set_attribute(m.node("Transpose", {"k"}, {"kt"}), "perm", Ints{0, 1, 3, 2});
  m.node("MatMul", {"q", "kt"}, {"products"});
  m.node("Tanh", {"products"}, {"scores"});  // not an attention that the compiler knows
  m.node("Where", {"later", "lowest", "scores"}, {"masked"});
  m.node("Softmax", {"masked"}, {"weights"});
  m.node("Mul", {"weights", "weights"}, {"squares"});
  m.node("MatMul", {"squares", "v"}, {"seen"});
  set_attribute(m.node("Transpose", {"seen"}, {"back"}), "perm", Ints{0, 2, 1, 3});
  m.node("Reshape", {"back", "joined"}, {"attended"});
  m.node("Add", {"attended", "x"}, {"answer"});
  expect_each_request_is_right(m, {}, {"padded", "A", "B"});
}

TEST(Pairs, without_the_mask_tokens_of_others_would_be_seen) {
  ModelBuilder m = disentangled();
  m.node("Softmax", {"scores"}, {"weights"});
  m.node("MatMul", {"weights", "v"}, {"seen"});
  set_attribute(m.node("Transpose", {"seen"}, {"back"}), "perm", Ints{0, 2, 1, 3});
  m.node("Reshape", {"back", "joined"}, {"answer"});
  EXPECT_THAT(why_not_packed(m), HasSubstr("its mask does not hide padded tokens"));
}

// The table ends where the row does, and is counted from there.
TEST(Pairs, what_tokens_say_of_places_by_the_row_length_is_refused) {
  ModelBuilder m = heads();
  put_table(m, "of_queries", 5);
  set_attribute(m.node("Transpose", {"k"}, {"kt"}), "perm", Ints{0, 1, 3, 2});
  m.node("MatMul", {"q", "kt"}, {"products"});
  m.node("MatMul", {"q", "of_queries"}, {"all_places"});
  look_up(m, "all_places", "key", "products", "by_place");
  m.node("Add", {"products", "by_place"}, {"scores"});
  attend(m);
  EXPECT_THAT(why_not_packed(m), HasSubstr("made of the row length"));
}

// Each query says of a key what its neighbour would.
TEST(Pairs, numbers_of_another_token_are_refused) {
  ModelBuilder m = heads();
  m.ints("neighbours", {15, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14});
  m.graph()
      .mutable_input(0)
      ->mutable_type()
      ->mutable_tensor_type()
      ->mutable_shape()
      ->mutable_dim(1)
      ->set_dim_value(16);
  set_attribute(m.node("Transpose", {"k"}, {"kt"}), "perm", Ints{0, 1, 3, 2});
  m.node("MatMul", {"q", "kt"}, {"products"});
  set_attribute(m.node("Gather", {"products", "neighbours"}, {"scores"}), "axis", int64_t{2});
  attend(m);
  EXPECT_THAT(why_not_packed(m), HasSubstr("takes a part of the sequence axis"));
}

}  // namespace
}  // namespace tessera::test
