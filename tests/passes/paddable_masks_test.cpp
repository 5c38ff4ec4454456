// SPDX-License-Identifier: Apache-2.0
// The masks that hide padding from attention and from pooling.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "passes/paddable.h"
#include "tests/passes/paddable_proof.h"

namespace tessera {
namespace {

using test::proof_of;
using ::testing::HasSubstr;

TEST(Paddable, a_mask_that_is_1_where_it_hides_is_1_in_added_cells) {
  const std::string inverse = R"(  %none = constant {value=0} : i32[2,4]
  %eq = equal %mask, %none : bool[2,4]
  %keys = cast %eq {to="i32"} : i32[2,4]
)";
  const std::string attends =
      "  %y = attention %x, %x, %x, %KEYS {heads=1, mask=\"keys\", scale=1} : f32[2,4,3]\n";
  const auto by = [&](const std::string& keys) {
    std::string text = attends;
    return proof_of(inverse + text.replace(text.find("KEYS"), 4, keys), "%y");
  };
  EXPECT_TRUE(by("keys").by_tokens) << by("keys").why_not;
  EXPECT_TRUE(by("keys").mask_hides);
  EXPECT_TRUE(by("mask").by_tokens);
  EXPECT_FALSE(by("mask").mask_hides);
  const Paddable both = proof_of(inverse +
                                     "  %a = attention %x, %x, %x, %keys {heads=1, "
                                     "mask=\"keys\", scale=1} : f32[2,4,3]\n"
                                     "  %y = attention %a, %a, %a, %mask {heads=1, "
                                     "mask=\"keys\", scale=1} : f32[2,4,3]\n",
                                 "%y");
  EXPECT_FALSE(both.by_tokens);
}

// Weights from a softmax over the tokens that the mask leaves, and their sum.
TEST(Paddable, a_pooler_by_attention_may_be_padded) {
  const std::string lines = R"(  %w = constant {value=[1,2,3]} : f32[3,1]
  %scores = matmul %x, %w : f32[2,4,1]
  %flat = reshape %scores {shape=[2,4]} : f32[2,4]
  %zero = constant {value=0} : i32[2,4]
  %none = equal %mask, %zero : bool[2,4]
  %low = constant {value=LOW} : f32[2,4]
  %masked = select %none, %low, %flat : f32[2,4]
  %p = softmax %masked {axis=1} : f32[2,4]
  %row = reshape %p {shape=[2,1,4]} : f32[2,1,4]
  %y = matmul %row, %x : f32[2,1,3]
)";
  const auto hiding = [&](const std::string& low) {
    std::string text = lines;
    return proof_of(text.replace(text.find("LOW"), 3, low), "%y");
  };
  EXPECT_TRUE(hiding("-1e9").by_tokens) << hiding("-1e9").why_not;
  EXPECT_FALSE(hiding("-1").by_tokens);
}

std::string attention(const std::string& mask, const std::string& kind) {
  return "  %y = attention %x, %x, %x" + mask + " {heads=1, mask=\"" + kind +
         "\", scale=1} : f32[2,4,3]\n";
}

TEST(Paddable, attention_needs_a_mask_that_is_zero_in_padding) {
  EXPECT_TRUE(proof_of(attention(", %mask", "keys"), "%y").by_tokens);
  const Paddable none = proof_of(attention("", "none"), "%y");
  EXPECT_FALSE(none.by_tokens);
  EXPECT_TRUE(none.by_rows);
  EXPECT_THAT(none.why_not, HasSubstr("has no mask"));
  const auto by_id = [&](const std::string& id) {
    return proof_of("  %pad = constant {value=" + id + "} : i32[2,4]\n" +
                        "  %eq = equal %ids, %pad : bool[2,4]\n  %not = not %eq : bool[2,4]\n" +
                        "  %keys = cast %not {to=\"i32\"} : i32[2,4]\n" +
                        attention(", %keys", "keys"),
                    "%y");
  };
  EXPECT_TRUE(by_id("0").by_tokens);
  EXPECT_TRUE(by_id("0").hides_id_0);
  EXPECT_FALSE(proof_of(attention(", %mask", "keys"), "%y").hides_id_0);
  EXPECT_THAT(by_id("1").why_not, HasSubstr("its mask does not hide padded tokens"));
}

// Attention by the sum of a mask of keys and the numbers of places, or by those (`pairs`) alone.
Paddable biased(const std::string& places, const std::string& bias = "sum") {
  return proof_of(R"(  %m = cast %mask {to="f32"} : f32[2,4]
  %one = constant {value=1} : f32[2,4]
  %hidden = sub %one, %m : f32[2,4]
  %low = constant {value=-1e30} : f32[2,4]
  %off = mul %hidden, %low : f32[2,4]
  %key = reshape %off {shape=[2,1,1,4]} : f32[2,1,1,4]
  %keys = broadcast %key {shape=[2,1,4,4]} : f32[2,1,4,4]
  %places = constant {value=[)" +
                      places + R"(]} : f32[1,1,4,4]
  %pairs = broadcast %places {shape=[2,1,4,4]} : f32[2,1,4,4]
  %sum = add %keys, %pairs : f32[2,1,4,4]
)" + attention(", %" + bias, "bias"),
                  "%y");
}

TEST(Paddable, a_bias_hides_padding_where_the_mask_is_added_to_it) {
  const std::string relative = "0,1,2,3,1,0,1,2,2,1,0,1,3,2,1,0";
  EXPECT_TRUE(biased(relative).by_tokens) << biased(relative).why_not;
  EXPECT_FALSE(biased(relative, "pairs").by_tokens);
  EXPECT_TRUE(biased(relative, "pairs").by_rows);
}

// Such a token, alone in its request, would be answered by what all keys of the row hold.
TEST(Paddable, a_token_that_a_bias_hides_from_itself_takes_whole_rows) {
  const std::string h = "-1e4";
  const Paddable causal =
      biased("0," + h + "," + h + "," + h + ",0,0," + h + "," + h + ",0,0,0," + h + ",0,0,0,0");
  EXPECT_TRUE(causal.by_tokens) << causal.why_not;
  const Paddable others = biased(h + ",0,0,0,0," + h + ",0,0,0,0," + h + ",0,0,0,0," + h);
  EXPECT_FALSE(others.by_tokens);
  EXPECT_TRUE(others.by_rows);
  EXPECT_THAT(others.why_not, HasSubstr("its bias hides token 0 from itself, must not for requests "
                                        "to be padded"));
}

// A request may hold no such id at all.
TEST(Paddable, a_mask_by_how_ids_compare_takes_whole_rows) {
  const Paddable proof = proof_of(R"(  %two = constant {value=2} : i32[2,4]
  %greater = less %two, %ids : bool[2,4]
  %told = cast %greater {to="i32"} : i32[2,4]
  %keys = mul %mask, %told : i32[2,4]
)" + attention(", %keys", "keys"),
                                  "%y");
  EXPECT_FALSE(proof.by_tokens);
  EXPECT_TRUE(proof.by_rows);
  EXPECT_THAT(proof.why_not, HasSubstr("its mask hides tokens by how their numbers compare"));
}

// A softmax over the tokens of a row that a condition keeps, as a pooling does.
Paddable pooled(const std::string& keep) {
  return proof_of(keep + R"(  %m = cast %mask {to="bool"} : bool[2,4]
  %seen = and %keep, %m : bool[2,4]
  %one = constant {value=1} : f32[3,1]
  %s = matmul %x, %one : f32[2,4,1]
  %scores = reshape %s {shape=[2,4]} : f32[2,4]
  %low = constant {value=-1e4} : f32[2,4]
  %kept = select %seen, %scores, %low : f32[2,4]
  %w = softmax %kept {axis=1} : f32[2,4]
  %wide = reshape %w {shape=[2,4,1]} : f32[2,4,1]
  %all = broadcast %wide {shape=[2,4,3]} : f32[2,4,3]
  %y1 = mul %all, %x : f32[2,4,3]
  %y = reduce_sum %y1 {axes=[1]} : f32[2,3]
)",
                  "%y");
}

// A request whose tokens are all left out is answered by every cell of its row.
TEST(Paddable, a_pooling_that_leaves_out_all_but_some_ids_takes_whole_rows) {
  const auto by_id = [](const std::string& id, const std::string& line) {
    return pooled("  %id = constant {value=" + id + "} : i32[2,4]\n" +
                  "  %eq = equal %ids, %id : bool[2,4]\n" + line);
  };
  const std::string is = "  %keep = and %eq, %eq : bool[2,4]\n";
  const std::string is_not = "  %keep = not %eq : bool[2,4]\n";
  EXPECT_TRUE(by_id("0", is_not).by_tokens) << by_id("0", is_not).why_not;
  EXPECT_TRUE(by_id("0", is_not).hides_id_0);
  EXPECT_THAT(by_id("0", is).why_not,
              HasSubstr("node 'w' (softmax): its mask may hide all tokens of "
                        "a request, must not"));
  for (const std::string& line : {is, is_not}) {
    EXPECT_FALSE(by_id("7", line).by_tokens);
    EXPECT_TRUE(by_id("7", line).by_rows);
    EXPECT_THAT(by_id("7", line).why_not, HasSubstr("by how their numbers compare"));
  }
}

TEST(Paddable, a_pooling_that_leaves_out_what_the_mask_keeps_takes_whole_rows) {
  const std::string kept = "  %keep = cast %mask {to=\"bool\"} : bool[2,4]\n";
  EXPECT_TRUE(pooled(kept).by_tokens) << pooled(kept).why_not;
  const Paddable nobody = pooled("  %k = cast %mask {to=\"bool\"} : bool[2,4]\n" +
                                 std::string("  %keep = not %k : bool[2,4]\n"));
  EXPECT_FALSE(nobody.by_tokens);
}

TEST(Paddable, a_pooling_that_leaves_out_one_type_takes_whole_rows) {
  const Paddable by_type = pooled(R"(  %seven = constant {value=7} : i32[2,4]
  %sevens = equal %types, %seven : bool[2,4]
  %keep = not %sevens : bool[2,4]
)");
  EXPECT_THAT(by_type.why_not, HasSubstr("may hide all tokens of a request"));
}

TEST(Paddable, a_mask_that_a_table_of_ids_holds_takes_whole_rows) {
  const Paddable bools = pooled(R"(  %flags = constant {value=[1,0]} : bool[2]
  %keep = gather %flags, %ids {axis=0} : bool[2,4]
)");
  EXPECT_FALSE(bools.by_tokens);
  const auto added = [](const std::string& values) {
    return proof_of(R"(  %numbers = constant {value=[)" + values + R"(]} : f32[2]
  %added = gather %numbers, %ids {axis=0} : f32[2,4]
  %m = cast %mask {to="bool"} : bool[2,4]
  %low = constant {value=-1e9} : f32[2,4]
  %kept = select %m, %added, %low : f32[2,4]
  %w = softmax %kept {axis=1} : f32[2,4]
  %wide = reshape %w {shape=[2,4,1]} : f32[2,4,1]
  %all = broadcast %wide {shape=[2,4,3]} : f32[2,4,3]
  %y1 = mul %all, %x : f32[2,4,3]
  %y = reduce_sum %y1 {axes=[1]} : f32[2,3]
)",
                    "%y");
  };
  EXPECT_TRUE(added("-3,5").by_tokens) << added("-3,5").why_not;
  EXPECT_FALSE(added("0,-1e9").by_tokens);
  EXPECT_THAT(added("0,-1e9").why_not, HasSubstr("by how their numbers compare"));
}

TEST(Paddable, nan_behind_a_request_is_not_hidden_by_a_bias) {
  const std::string bias = R"(  %m = cast %mask {to="f32"} : f32[2,4]
  %one = constant {value=1} : f32[2,4]
  %hidden = sub %one, %m : f32[2,4]
  %low = constant {value=-1e30} : f32[2,4]
  %off = mul %hidden, %low : f32[2,4]
  %key = reshape %off {shape=[2,1,1,4]} : f32[2,1,1,4]
)";
  const auto of = [&](const std::string& value) {
    return proof_of(bias +
                        "  %t = tanh %x : f32[2,4,3]\n  %log = log %t : f32[2,4,3]\n  %y = "
                        "attention %x, %x, %" +
                        value + ", %key {heads=1, mask=\"bias\", scale=1} : f32[2,4,3]\n",
                    "%y");
  };
  EXPECT_TRUE(of("x").by_tokens) << of("x").why_not;
  EXPECT_FALSE(of("log").by_tokens);
}

TEST(Paddable, a_softmax_under_a_mask_of_ids_needs_a_token_too) {
  const Paddable proof = proof_of(R"(  %zero = constant {value=0} : i32[2,4]
  %none = equal %ids, %zero : bool[2,4]
  %w = constant {value=[1,2,3]} : f32[3,1]
  %scores = matmul %x, %w : f32[2,4,1]
  %flat = reshape %scores {shape=[2,4]} : f32[2,4]
  %low = constant {value=-1e9} : f32[2,4]
  %masked = select %none, %low, %flat : f32[2,4]
  %p = softmax %masked {axis=1} : f32[2,4]
  %row = reshape %p {shape=[2,1,4]} : f32[2,1,4]
  %y = matmul %row, %x : f32[2,1,3]
)",
                                  "%y");
  EXPECT_TRUE(proof.by_tokens) << proof.why_not;
  EXPECT_TRUE(proof.hides_id_0);
}

// ONNX Runtime's fused models say how many tokens a row has, and attend to the places below that.
Paddable proof_of_lengths(const std::string& places, const std::string& lengths) {
  return proof_of("  %places = constant {value=" + places + "} : i32[1,4]\n" +
                      "  %all = broadcast %places {shape=[2,4]} : i32[2,4]\n" + lengths +
                      R"(  %column = reshape %count {shape=[2,1]} : i32[2,1]
  %wide = broadcast %column {shape=[2,4]} : i32[2,4]
  %there = less %all, %wide : bool[2,4]
  %keys = cast %there {to="i32"} : i32[2,4]
  %y = attention %x, %x, %x, %keys {heads=1, mask="keys", scale=0.5} : f32[2,4,3]
)",
                  "%y");
}

TEST(Paddable, keys_below_the_number_of_tokens_are_a_mask) {
  const std::string count = "  %count = reduce_sum %mask {axes=[1]} : i32[2]\n";
  const Paddable proof = proof_of_lengths("[0,1,2,3]", count);
  EXPECT_TRUE(proof.by_tokens) << proof.why_not;
  EXPECT_FALSE(proof_of_lengths("[0,0,2,3]", count).by_tokens);
  const std::string more = R"(  %sum = reduce_sum %mask {axes=[1]} : i32[2]
  %one = constant {value=1} : i32[2]
  %count = add %sum, %one : i32[2]
)";
  EXPECT_FALSE(proof_of_lengths("[0,1,2,3]", more).by_tokens);
  // As decoders have it: the number less one, and one more again.
  const std::string last = R"(  %sum = reduce_sum %mask {axes=[1]} : i32[2]
  %one = constant {value=1} : i32[2]
  %last = sub %sum, %one : i32[2]
  %count = add %last, %one : i32[2]
)";
  EXPECT_TRUE(proof_of_lengths("[0,1,2,3]", last).by_tokens);
}

}  // namespace
}  // namespace tessera
