// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/random_encoder.h"

#include <functional>
#include <random>

namespace tessera::fuzz {
namespace {

using ::onnx::AttributeProto;
using ::onnx::NodeProto;
using ::onnx::TensorProto;
using test::Ints;
using test::Names;

constexpr int64_t kWidth = 4, kHeads = 2;

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed), model_(17) {}

  test::ModelBuilder generate() {
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
    for (int64_t i = 0; i < outputs; ++i)
      model_.output(named(head(x), "output" + std::to_string(i)));
    return std::move(model_);
  }

 private:
  int64_t below(int64_t limit) {
    return static_cast<int64_t>(random_() % static_cast<uint64_t>(limit));
  }
  using Choice = std::function<std::string()>;
  std::string one_of(const std::vector<Choice>& choices) {
    return choices[static_cast<size_t>(below(std::ssize(choices)))]();
  }

  // One node, its result's name.
  std::string put(const std::string& op, const Names& in) { return put(op, in, {}); }
  std::string put(const std::string& op, const Names& in,
                  const std::vector<std::pair<std::string, Ints>>& attributes) {
    const std::string name = op + "_" + std::to_string(next_++);
    NodeProto& node = model_.node(op, in, {name}, name);
    for (const auto& [key, values] : attributes) {
      AttributeProto& attribute = *node.add_attribute();
      attribute.set_name(key);
      const bool is_list = key == "perm" || key == "axes";
      attribute.set_type(is_list ? AttributeProto::INTS : AttributeProto::INT);
      for (const int64_t value : values)
        is_list ? attribute.add_ints(value) : attribute.set_i(value);
    }
    return name;
  }
  std::string named(const std::string& value, const std::string& name) {
    model_.node("Identity", {value}, {name}, name);
    return name;
  }
  std::string cast(const std::string& value, int32_t to) {
    return put("Cast",
               {
                   value
    },
               {{"to", {to}}});
  }
  std::string number(float value) {
    const std::string name = "number_" + std::to_string(next_++);
    model_.floats(name, {value}, {});
    return name;
  }
  std::string integer(int64_t value) {
    const std::string name = "integer_" + std::to_string(next_++);
    model_.ints(name, {value}, true);
    return name;
  }
  std::string axes(const Ints& values) {
    const std::string name = "axes_" + std::to_string(next_++);
    model_.ints(name, values);
    return name;
  }
  std::string weights(const Ints& dims, float size = 0.7F) {
    int64_t count = 1;
    for (const int64_t dim : dims) count *= dim;
    std::vector<float> values;
    for (int64_t i = 0; i < count; ++i)
      values.push_back(size * (static_cast<float>(below(2001)) / 1000 - 1));
    const std::string name = "weights_" + std::to_string(next_++);
    model_.floats(name, values, dims);
    return name;
  }

  void declare_inputs() {
    constexpr int32_t kInt64 = TensorProto::INT64;
    model_.input("input_ids", kInt64, "batch,sequence");
    has_mask_ = below(6) != 0;
    mask_name_ = below(3) == 0 ? "input_mask" : "attention_mask";
    if (has_mask_) model_.input(mask_name_, kInt64, "batch,sequence");
    has_types_ = below(3) == 0;
    if (has_types_) model_.input("token_type_ids", kInt64, "batch,sequence");
    has_positions_ = below(5) == 0;
    if (has_positions_) model_.input("position_ids", kInt64, "batch,sequence");
  }

  void add_constants() {
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
  std::string float_mask() {
    if (has_mask_ && below(8) != 0) return cast(mask_name_, TensorProto::FLOAT);
    return cast(is_token(), TensorProto::FLOAT);
  }
  std::string is_token() {
    const std::string padding = integer(below(4) == 0 ? 1 : 0);
    if (below(4) == 0) {  // as keras writes it: of ids that are floats
      const std::string ids = cast("input_ids", TensorProto::FLOAT);
      return put("Not", {put("Equal", {ids, number(static_cast<float>(below(2)))})});
    }
    return put("Not", {put("Equal", {"input_ids", padding})});
  }

  std::string embedding() {
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
  std::string counted_positions() {
    const bool of_mask = has_mask_ && below(2) == 0;
    const std::string mask =
        of_mask ? mask_name_
                : cast(put("Not", {put("Equal", {"input_ids", integer(1)})}), TensorProto::INT64);
    std::string count = put("CumSum", {mask, integer(1)});
    if (below(2) == 0) count = put("Mul", {count, mask});
    return put("Add", {count, integer(below(3))});
  }

  std::string by_heads(const std::string& x) {
    const std::string projected = put("MatMul", {x, weights({kWidth, kWidth})});
    const std::string heads = put("Reshape", {projected, axes({0, 0, kHeads, kWidth / kHeads})});
    return put("Transpose",
               {
                   heads,
    },
               {{"perm", {0, 2, 1, 3}}});
  }

  std::string attention(const std::string& x) {
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
  std::string square(const std::vector<float>& values, const Ints& dims) {
    const std::string name = "square_" + std::to_string(next_++);
    model_.floats(name, values, dims);
    const std::string rows = put("Slice", {name, axes({0}), length_1_, axes({2})});
    return put("Slice", {rows, axes({0}), length_1_, axes({3})});
  }
  std::string relative_bias() {
    std::vector<float> values;
    for (int64_t i = 0; i < 64; ++i) values.push_back(static_cast<float>(below(100)) / 100);
    return square(values, {1, 1, 8, 8});
  }
  std::string masked(const std::string& scores) {
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

  std::string normalized(const std::string& x) {
    if (below(4) == 0) return x;
    return put("LayerNormalization", {x, weights({kWidth}), weights({kWidth})});
  }
  std::string feed_forward(const std::string& x) {
    const std::string wide = put("Add", {put("MatMul", {x, weights({kWidth, 6})}), weights({6})});
    const std::string active =
        one_of({[&] { return put("Tanh", {wide}); }, [&] { return put("Relu", {wide}); },
                [&] { return put("Sigmoid", {wide}); }});
    return normalized(put("Add", {x, put("MatMul", {active, weights({6, kWidth})})}));
  }

  std::string wide_mask() { return put("Unsqueeze", {float_mask(), axes({2})}); }
  std::string count_of_tokens() {
    return put("ReduceSum",
               {
                   wide_mask(), axes({1}
                    )
    },
               {{"keepdims", {1}}});
  }
  // What some models do between their layers.
  std::string oddity(const std::string& x) {
    return one_of(
        {[&] { return put("Mul", {x, wide_mask()}); },
         [&] { return put("Add", {x, put("Mul", {count_of_tokens(), number(0.1F)})}); },
         [&] { return put("Sub", {x, mean_of_tokens(x, true)}); },
         [&] {
           return put("Sub", {
                                 x, put("ReduceMean", {x},
                                   {{"axes", {1}}, {"keepdims", {1}}}
                                   )
           });
         },
         [&] { return put("Div", {x, cast(length_, TensorProto::FLOAT)}); },
         [&] {
           return put("Softmax",
                      {
                          x
           },
                      {{"axis", {1 + below(2)}}});
         },
         [&] { return put("CumSum", {x, integer(1)}); },
         [&] {
           const std::string first = put("Gather",
                                         {
                                             x, axes({0}
                                              )
           },
                                         {{"axis", {1}}});
           return put("Add", {x, first});
         },
         [&] {
           return put("Sub", {
                                 x, put("ReduceMean", {x},
                                   {{"axes", {0}}, {"keepdims", {1}}}
                                   )
           });
         },
         [&] {
           const std::string before = put("Slice", {x, axes({0}), axes({-1}), axes({1})});
           const std::string first = put("Slice", {x, axes({0}), axes({1}), axes({1})});
           return put("Add", {
                                 x, put("Concat", {first, before},
                                   {{"axis", {1}}}
                                   )
           });
         },
         [&] {
           const std::string scale = put("ReduceMax",
                                         {
                                             x
           },
                                         {{"axes", {1}}, {"keepdims", {1}}});
           return put("Add", {x, scale});
         }});
  }

  std::string mean_of_tokens(const std::string& x, bool keep) {
    const std::string sum = put("ReduceSum",
                                {
                                    put("Mul", {x, wide_mask()}
                                     ), axes({1}
                                     )
    },
                                {{"keepdims", {keep}}});
    const std::string count = put("ReduceSum",
                                  {
                                      wide_mask(), axes({1}
                                       )
    },
                                  {{"keepdims", {keep}}});
    return put("Div", {sum, put("Max", {count, number(1e-9F)})});
  }
  // A length of nearly 0 would make an answer of a last bit.
  std::string unit(const std::string& x) {
    const std::string squares = put("ReduceSum",
                                    {
                                        put("Mul", {x, x}
                                         ), axes({-1}
                                         )
    },
                                    {{"keepdims", {1}}});
    return put("Div", {x, put("Max", {put("Sqrt", {squares}), number(0.05F)})});
  }
  std::string head(const std::string& x) {
    return one_of(
        {[&] { return x; },
         [&] { return put("Squeeze", {put("MatMul", {x, weights({kWidth, 1})}), axes({2})}); },
         [&] { return put("MatMul", {x, weights({kWidth, kMostTokens})}); },
         [&] {
           return put("Tanh", {
                                  put("Gather", {x, integer(0)},
                                   {{"axis", {1}}}
                                   )
           });
         },
         [&] {
           const std::string first = put("Gather",
                                         {
                                             x, integer(0)
           },
                                         {{"axis", {1}}});
           return put("MatMul", {first, weights({kWidth, kMostTokens})});
         },
         [&] {
           return put("Gather",
                      {
                          x, integer(-1)
           },
                      {{"axis", {1}}});
         },
         [&] { return mean_of_tokens(x, false); }, [&] { return unit(mean_of_tokens(x, false)); },
         [&] { return put("Mul", {unit(x), wide_mask()}); },
         [&] {
           return put("ReduceMean",
                      {
                          x
           },
                      {{"axes", {1}}, {"keepdims", {0}}});
         },
         [&] {
           return put("ReduceMean",
                      {
                          put("Mul", {x, wide_mask()}
                           )
           },
                      {{"axes", {1}}, {"keepdims", {0}}});
         },
         [&] {
           return put("ReduceMax",
                      {
                          x
           },
                      {{"axes", {1}}, {"keepdims", {0}}});
         },
         [&] {
           const std::string none = put("Equal", {wide_mask(), number(0)});
           const std::string low = put("Where", {none, number(-1e9F), x});
           return put("ReduceMax",
                      {
                          low
           },
                      {{"axes", {1}}, {"keepdims", {0}}});
         },
         [&] {
           const std::string scores = put("MatMul", {x, weights({kWidth, 1})});
           const std::string none = put("Equal", {wide_mask(), number(0)});
           const std::string low = put("Where", {none, number(-1e9F), scores});
           const std::string share = put("Softmax",
                                         {
                                             below(2) == 0 ? low : scores
           },
                                         {{"axis", {1}}});
           return put("ReduceSum",
                      {
                          put("Mul", {share, x}
                           ), axes({1}
                           )
           },
                      {{"keepdims", {0}}});
         },
         [&] {
           return put("Transpose",
                      {
                          x
           },
                      {{"perm", {0, 2, 1}}});
         },
         [&] {
           return put("Transpose",
                      {
                          x
           },
                      {{"perm", {1, 0, 2}}});
         },
         [&] { return put("Squeeze", {count_of_tokens(), axes({2})}); },
         [&] { return put("Add", {"input_ids", integer(1)}); },
         [&] { return put("Reshape", {x, axes({-1, kWidth})}); }});
  }

  std::mt19937_64 random_;
  test::ModelBuilder model_;
  int64_t next_ = 0;
  bool has_mask_ = false, has_types_ = false, has_positions_ = false;
  std::string mask_name_, length_, length_1_;
};

}  // namespace

test::ModelBuilder random_encoder(uint64_t seed) { return Generator(seed).generate(); }

}  // namespace tessera::fuzz
