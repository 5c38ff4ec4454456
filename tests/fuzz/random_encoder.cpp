// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/random_encoder.h"

#include "tests/fuzz/encoder_generator.h"

namespace tessera::fuzz {

test::ModelBuilder EncoderGenerator::generate() {
  declare_inputs();
  add_constants();
  std::string x = embedding();
  const int64_t layers = 1 + below(2);
  for (int64_t i = 0; i < layers; ++i) {
    if (below(5) != 0) x = attention(x);
    if (below(6) == 0) x = oddity(x);
    if (below(2) != 0) x = feed_forward(x);
  }
  const int64_t outputs = 1 + below(3);
  for (int64_t i = 0; i < outputs; ++i) model_.output(named(head(x), "output" + std::to_string(i)));
  return std::move(model_);
}

void EncoderGenerator::declare_inputs() {
  constexpr int32_t kInt64 = TensorProto::INT64;
  model_.input("input_ids", kInt64, "batch,sequence");
  has_mask_ = below(6) != 0;
  mask_name_ = below(3) == 0 ? "input_mask" : "attention_mask";
  hides_ = has_mask_ && below(6) == 0;
  if (hides_) mask_name_ = "key_padding_mask";
  if (has_mask_) model_.input(mask_name_, kInt64, "batch,sequence");
  has_types_ = below(3) == 0;
  if (has_types_) model_.input("token_type_ids", kInt64, "batch,sequence");
  has_positions_ = below(5) == 0;
  if (has_positions_) model_.input("position_ids", kInt64, "batch,sequence");
}

void EncoderGenerator::add_constants() {
  std::vector<int64_t> places;
  for (int64_t i = 0; i < 16; ++i) places.push_back(i);
  TensorProto& buffer = *model_.graph().add_initializer();
  buffer.set_name("places");
  buffer.set_data_type(TensorProto::INT64);
  buffer.add_dims(1);
  buffer.add_dims(16);
  for (const int64_t place : places) buffer.add_int64_data(place);
  length_ = put("Gather", {put("Shape", {"input_ids"}), integer(1)});
  length_1_ = put("Unsqueeze", {length_, axes({0})});
}

// The mask as floats of 0 and 1 [batch,sequence]: the input, or made of the ids.
std::string EncoderGenerator::float_mask() {
  if (has_mask_ && below(8) != 0) {
    const std::string mask = cast(mask_name_, TensorProto::FLOAT);
    return hides_ ? put("Sub", {number(1), mask}) : mask;
  }
  return cast(is_token(), TensorProto::FLOAT);
}

std::string EncoderGenerator::is_token() {
  const std::string padding = integer(below(4) == 0 ? 1 : 0);
  if (below(4) == 0) {  // as keras writes it: of ids that are floats
    const std::string ids = cast("input_ids", TensorProto::FLOAT);
    return put("Not", {put("Equal", {ids, number(static_cast<float>(below(2)))})});
  }
  return put("Not", {put("Equal", {"input_ids", padding})});
}

std::string EncoderGenerator::embedding() {
  std::string x = put("Gather", {weights({kVocabulary, kWidth}), "input_ids"});
  if (has_types_) x = put("Add", {x, put("Gather", {weights({2, kWidth}), "token_type_ids"})});
  const std::string table = weights({16, kWidth});
  if (has_positions_) return put("Add", {x, put("Gather", {table, "position_ids"})});
  return one_of({[&] { return x; },
                 [&] {
                   const std::string part =
                       put("Slice", {"places", axes({0}), length_1_, axes({1})});
                   return put("Add", {x, put("Gather", {table, part})});
                 },
                 [&] { return put("Add", {x, put("Gather", {table, counted_positions()})}); },
                 [&] {
                   if (below(2) == 0) return x;
                   const std::string ids = cast("input_ids", TensorProto::FLOAT);
                   const std::string small = put("Mul", {ids, number(0.1F)});
                   return put("Add", {x, put("Unsqueeze", {small, axes({2})})});
                 }});
}

// RoBERTa's, of ids; and others', of the mask.
std::string EncoderGenerator::counted_positions() {
  const bool of_mask = has_mask_ && !hides_ && below(2) == 0;
  const std::string mask =
      of_mask ? mask_name_
              : cast(put("Not", {put("Equal", {"input_ids", integer(1)})}), TensorProto::INT64);
  std::string count = put("CumSum", {mask, integer(1)});
  if (below(2) == 0) count = put("Mul", {count, mask});
  return put("Add", {count, integer(below(3))});
}

std::string EncoderGenerator::by_heads(const std::string& x) {
  const std::string projected = put("MatMul", {x, weights({kWidth, kWidth})});
  const std::string heads = put("Reshape", {projected, axes({0, 0, kHeads, kWidth / kHeads})});
  return put("Transpose",
             {
                 heads,
  },
             {{"perm", {0, 2, 1, 3}}});
}

std::string EncoderGenerator::attention(const std::string& x) {
  const std::string q = by_heads(x), v = by_heads(x);
  const std::string k = put("Transpose",
                            {
                                by_heads(x)
  },
                            {{"perm", {0, 1, 3, 2}}});
  std::string scores = put("MatMul", {q, k});
  if (below(3) != 0) scores = put("Div", {scores, number(1.41421354F)});
  if (below(8) == 0) scores = put("Add", {scores, relative_bias()});
  const std::string seen = put("Softmax",
                               {
                                   masked(scores)
  },
                               {{"axis", {3}}});
  const std::string sum = put("Transpose",
                              {
                                  put("MatMul", {seen, v}
                                   )
  },
                              {{"perm", {0, 2, 1, 3}}});
  const std::string joined = put("Reshape", {sum, axes({0, 0, kWidth})});
  return normalized(put("Add", {x, put("MatMul", {joined, weights({kWidth, kWidth})})}));
}

// Rows and columns of a square of constants, as many as there are tokens.
std::string EncoderGenerator::square(const std::vector<float>& values, const Ints& dims) {
  const std::string name = constant(values, dims);
  const std::string rows = put("Slice", {name, axes({0}), length_1_, axes({2})});
  return put("Slice", {rows, axes({0}), length_1_, axes({3})});
}

std::string EncoderGenerator::relative_bias() {
  std::vector<float> values;
  for (int64_t i = 0; i < 64; ++i) values.push_back(static_cast<float>(below(100)) / 100);
  return square(values, {1, 1, 8, 8});
}

std::string EncoderGenerator::masked(const std::string& scores) {
  static constexpr float kLow[] = {-1e4F, -1e9F, -3.4028235e38F};
  const float low = kLow[below(3)];
  const auto hidden = [&](const std::string& mask) {
    const std::string key = put("Unsqueeze", {mask, axes({1, 2})});
    return put("Sub", {number(1), key});
  };
  return one_of(
      {[&] { return put("Add", {scores, put("Mul", {hidden(float_mask()), number(low)})}); },
       [&] { return put("Add", {scores, put("Mul", {hidden(float_mask()), number(low)})}); },
       [&] {
         const std::string none = put("Equal", {hidden(float_mask()), number(1)});
         return put("Where", {none, number(low), scores});
       },
       [&] {
         if (!hides_) return masked(scores);
         const std::string key =
             put("Unsqueeze", {cast(mask_name_, TensorProto::FLOAT), axes({1, 2})});
         return put("Add", {scores, put("Mul", {key, number(low)})});
       },
       [&] { return below(4) == 0 ? scores : masked(scores); },
       [&] {
         const float small = below(2) == 0 ? -2.0F : low;
         return put("Add", {scores, put("Mul", {hidden(float_mask()), number(small)})});
       },
       [&] {
         if (below(3) != 0) return masked(scores);
         std::vector<float> causal;
         for (int64_t r = 0; r < 8; ++r)
           for (int64_t c = 0; c < 8; ++c) causal.push_back(c > r ? low : 0);
         const std::string sum = put("Add", {scores, square(causal, {1, 1, 8, 8})});
         return below(2) == 0 ? sum : masked(sum);
       }});
}

std::string EncoderGenerator::normalized(const std::string& x) {
  if (below(4) == 0) return x;
  if (below(8) == 0) return normalized_by_groups(x);
  return put("LayerNormalization", {x, weights({kWidth}), weights({kWidth})});
}

// As a matmul with a matrix of blocks takes them.
std::string EncoderGenerator::normalized_by_groups(const std::string& x) {
  std::vector<float> means, centers;
  for (int64_t row = 0; row < kWidth; ++row)
    for (int64_t column = 0; column < kWidth; ++column) {
      means.push_back(row / 2 == column / 2 ? 0.5F : 0);
      centers.push_back((row == column ? 1.0F : 0) - 1.0F / kWidth);
    }
  const std::string blocks = constant(means, {kWidth, kWidth});
  if (below(3) == 0) return put("MatMul", {x, constant(centers, {kWidth, kWidth})});
  const std::string centered = put("Sub", {x, put("MatMul", {x, blocks})});
  const std::string variance = put("MatMul", {put("Mul", {centered, centered}), blocks});
  return put("Div", {centered, put("Sqrt", {put("Add", {variance, number(0.05F)})})});
}

std::string EncoderGenerator::feed_forward(const std::string& x) {
  const std::string wide = put("Add", {put("MatMul", {x, weights({kWidth, 6})}), weights({6})});
  const std::string active =
      one_of({[&] { return put("Tanh", {wide}); }, [&] { return put("Relu", {wide}); },
              [&] { return put("Sigmoid", {wide}); }});
  return normalized(put("Add", {x, put("MatMul", {active, weights({6, kWidth})})}));
}

test::ModelBuilder random_encoder(uint64_t seed) { return EncoderGenerator(seed).generate(); }

}  // namespace tessera::fuzz
