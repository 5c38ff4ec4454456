// SPDX-License-Identifier: Apache-2.0
// The operations of random encoders between their layers, and their outputs.
#include "tests/fuzz/encoder_generator.h"
#include "tests/fuzz/random_encoder.h"

namespace tessera::fuzz {

std::string EncoderGenerator::wide_mask() { return put("Unsqueeze", {float_mask(), axes({2})}); }

std::string EncoderGenerator::count_of_tokens() {
  return put("ReduceSum",
             {
                 wide_mask(), axes({1}
                  )
  },
             {{"keepdims", {1}}});
}

// A convolution of tokens that padding leaves 0, as DeBERTa's is, or of all.
std::string EncoderGenerator::convolution(const std::string& x) {
  const auto turned = [&](const std::string& value) {
    return put("Transpose",
               {
                   value
    },
               {{"perm", {0, 2, 1}}});
  };
  const std::string channels = turned(below(4) == 0 ? x : put("Mul", {x, wide_mask()}));
  const int64_t before = below(3);
  const std::string kernel = weights({kWidth, kWidth, 3});
  return put("Add",
             {
                 x, turned(put("Conv", {channels, kernel},
                   {{"pads", {before, 2 - before}}}
                   ))
  });
}

// An operation that some models have between their layers.
std::string EncoderGenerator::oddity(const std::string& x) {
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
         const std::string bounded = put("Min", {length_, integer(1 + below(3))});
         return put("Mul", {x, cast(bounded, TensorProto::FLOAT)});
       },
       [&] {
         const std::string is_long = put("Greater", {length_, integer(1 + below(2))});
         return put("Where", {is_long, x, put("Relu", {x})});
       },
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
         if (below(2) == 0) return convolution(x);
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

std::string EncoderGenerator::mean_of_tokens(const std::string& x, bool keep) {
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
std::string EncoderGenerator::unit(const std::string& x) {
  const std::string squares = put("ReduceSum",
                                  {
                                      put("Mul", {x, x}
                                       ), axes({-1}
                                       )
  },
                                  {{"keepdims", {1}}});
  return put("Div", {x, put("Max", {put("Sqrt", {squares}), number(0.05F)})});
}

// Tokens chosen by what they are: a request may have none of them.
std::string EncoderGenerator::chosen_tokens() {
  const std::string same = one_of(
      {[&] { return put("Equal", {"input_ids", integer(below(kVocabulary))}); },
       [&] { return put("Greater", {"input_ids", integer(below(3))}); },
       [&] {
         const std::string flags = put("Gather", {weights({kVocabulary}), "input_ids"});
         return put("Greater", {flags, number(0)});
       },
       [&] { return put("Equal", {has_types_ ? "token_type_ids" : "input_ids", integer(1)}); }});
  const std::string kept = below(2) == 0 ? same : put("Not", {same});
  return put("And", {kept, cast(float_mask(), TensorProto::BOOL)});
}

std::string EncoderGenerator::pooled_by_ids(const std::string& x) {
  const std::string kept = put("Unsqueeze", {chosen_tokens(), axes({2})});
  const std::string scores = put("MatMul", {x, weights({kWidth, 1})});
  const std::string low =
      below(2) == 0 ? put("Where", {kept, scores, number(-1e4F)})
                    : put("Add", {scores, put("Where", {kept, number(0), number(-1e9F)})});
  const std::string share = put("Softmax",
                                {
                                    low
  },
                                {{"axis", {1}}});
  return put("ReduceSum",
             {
                 put("Mul", {share, x}
                  ), axes({1}
                  )
  },
             {{"keepdims", {0}}});
}

std::string EncoderGenerator::head(const std::string& x) {
  const auto token = [&](int64_t at) {
    return put("Gather",
               {
                   x, integer(at)
    },
               {{"axis", {1}}});
  };
  const auto over_tokens = [&](const std::string& op, const std::string& of) {
    return put(op,
               {
                   of
    },
               {{"axes", {1}}, {"keepdims", {0}}});
  };
  const auto without_hidden = [&](const std::string& of) {
    const std::string none = put("Equal", {wide_mask(), number(0)});
    return put("Where", {none, number(-1e9F), of});
  };
  const auto turned = [&](const Ints& perm) {
    const Names in = {x};
    return put("Transpose", in,
               {
                   {"perm", perm}
    });
  };
  return one_of(
      {[&] { return x; },
       [&] { return put("Squeeze", {put("MatMul", {x, weights({kWidth, 1})}), axes({2})}); },
       [&] { return put("MatMul", {x, weights({kWidth, kMostTokens})}); },
       [&] { return put("Tanh", {token(0)}); },
       [&] {
         const std::string first = token(0);
         return put("MatMul", {first, weights({kWidth, kMostTokens})});
       },
       [&] { return token(-1); },
       [&] { return mean_of_tokens(x, false); },
       [&] { return unit(mean_of_tokens(x, false)); },
       [&] { return put("Mul", {unit(x), wide_mask()}); },
       [&] { return over_tokens("ReduceMean", x); },
       [&] { return over_tokens("ReduceMean", put("Mul", {x, wide_mask()})); },
       [&] { return over_tokens("ReduceMax", x); },
       [&] { return over_tokens("ReduceMax", without_hidden(x)); },
       [&] {
         const std::string hidden = put("Sub", {number(1), wide_mask()});
         return over_tokens("ReduceMax", put("Add", {x, put("Mul", {hidden, number(-1e9F)})}));
       },
       [&] {
         const std::string scores = put("MatMul", {x, weights({kWidth, 1})});
         const std::string low = without_hidden(scores);
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
       [&] { return pooled_by_ids(x); },
       [&] { return pooled_by_ids(x); },
       [&] { return turned({0, 2, 1}); },
       [&] { return turned({1, 0, 2}); },
       [&] { return put("Squeeze", {count_of_tokens(), axes({2})}); },
       [&] { return put("Add", {"input_ids", integer(1)}); },
       [&] { return put("Reshape", {x, axes({-1, kWidth})}); }});
}

}  // namespace tessera::fuzz
