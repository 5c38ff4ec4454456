// SPDX-License-Identifier: Apache-2.0
// The refusals of each op, in its words. Each row is an op's line in a graph with the inputs below,
// and the error after its `line:column: y: `.
#include <gmock/gmock.h>

#include "tests/ir/run.h"

namespace tessera {
namespace {

constexpr const char* kInputs =
    "%f: f32[2,3], %g: f32[3,2], %h: f16[2,3], %i: i32[2,3], %b: bool[2,3], %row: f32[3], "
    "%one: f32[], %q: f32[2,4,6], %k: f32[2,5,6], %keys: i32[2,5], %n: i32[2,1], %e: f32[2,0], "
    "%c: i8[2,3], %d: i8[3,2], %u: u8[2,3], %cz: i8[2,1], %dz: i8[1,2], %x: f32[2,5,2], "
    "%p: f143[2,3], %w: f152[3,2]";

struct Refusal {
  const char* line;
  const char* error;
};
void PrintTo(const Refusal& refusal, std::ostream* out) { *out << refusal.line; }

const Refusal kRefusals[] = {
    {"add %f : f32[2,3]",                                                            "add: has 1 inputs, must have 2"                               },
    {"concat {axis=0} : f32[2,3]",                                                   "concat: has 0 inputs, must have 1 or more"                    },
    {"attention %q, %k {heads=2 scale=1 mask=\"none\"} : f32[2,4,6]",
     "attention: has 2 inputs, must have 3 to 5"                                                                                                    },
    {"transpose %f : f32[3,2]",                                                      "transpose: attribute perm is missing, must be ints"           },
    {"add %f, %g : f32[2,3]",                                                        "add: inputs are f32[2,3] and f32[3,2], which must be equal"   },
    {"add %f, %h : f32[2,3]",                                                        "add: inputs are f32[2,3] and f16[2,3], which must be equal"   },
    {"add %b, %b : bool[2,3]",                                                       "add: input is bool[2,3], its elements must be f32, f16 or i32"},
    {"and %i, %i : i32[2,3]",                                                        "and: input is i32[2,3], its elements must be bool"            },
    {"exp %i : i32[2,3]",                                                            "exp: input is i32[2,3], its elements must be f32 or f16"      },
    {"select %b, %f, %h : f32[2,3]",
     "select: choices are f32[2,3] and f16[2,3], which must be equal"                                                                               },
    {"select %b, %g, %g : f32[3,2]",                                                 "select: condition is bool[2,3], must be bool[3,2]"            },
    {"cast %f {to=\"i64\"} : i32[2,3]",
     "cast: to is \"i64\", must be f32, f16, i32, bool, i8, u8, f143 or f152"                                                                       },
    {"add %p, %p : f143[2,3]",                                                       "add: input is f143[2,3], its elements must be f32, f16 or i32"},
    {"scaled_cast %f {to=\"i8\" scale=0} : i8[2,3]",
     "scaled_cast: to is \"i8\", must be f32, f16, f143 or f152"                                                                                    },
    {"scaled_cast %i {to=\"f143\" scale=0} : f143[2,3]",
     "scaled_cast: input is i32[2,3], its elements must be f32, f16, f143 or f152"                                                                  },
    {"scaled_cast %f {to=\"f143\" scale=33} : f143[2,3]",
     "scaled_cast: scale is 33, must be from -32 to 32"                                                                                             },
    {"matmul_fp8 %h, %w {scale=0} : f16[2,2]",
     "matmul_fp8: inputs are f16[2,3] and f152[3,2], their elements must be f143 or f152"                                                           },
    {"matmul_fp8 %p, %p {scale=0} : f16[2,3]",
     "matmul_fp8: inner sizes are 3 and 2, which must be equal"                                                                                     },
    {"matmul_fp8 %p, %w {scale=63} : f16[2,2]",                                      "matmul_fp8: scale is 63, must be from -64 to 62"              },
    {"add %c, %c : i8[2,3]",                                                         "add: input is i8[2,3], its elements must be f32, f16 or i32"  },
    {"quantize %f, %f, %c {to=\"i32\"} : i32[2,3]",                                  "quantize: to is \"i32\", must be i8 or u8"                    },
    {"quantize %f, %f, %d {to=\"i8\"} : i8[2,3]",
     "quantize: inputs are f32[2,3] and i8[3,2], whose shapes must be equal"                                                                        },
    {"quantize %i, %f, %c {to=\"i8\"} : i8[2,3]",
     "quantize: input is i32[2,3], its elements must be f32 or f16"                                                                                 },
    {"quantize %f, %h, %c {to=\"i8\"} : i8[2,3]",
     "quantize: scale is f16[2,3], its elements must be f32"                                                                                        },
    {"quantize %f, %f, %u {to=\"i8\"} : i8[2,3]",
     "quantize: zero point is u8[2,3], its elements must be what to says"                                                                           },
    {"dequantize %f, %f, %c : f32[2,3]",
     "dequantize: input is f32[2,3], its elements must be i8, u8 or i32"                                                                            },
    {"dequantize %c, %h, %c : f32[2,3]",                                             "dequantize: scale is f16[2,3], its elements must be f32"      },
    {"dequantize %c, %f, %u : f32[2,3]",
     "dequantize: zero point is u8[2,3], its elements must be those of the input"                                                                   },
    {"dequantize %c, %g, %c : f32[2,3]",
     "dequantize: inputs are i8[2,3] and f32[3,2], whose shapes must be equal"                                                                      },
    {"matmul_integer %f, %d, %cz, %dz : i32[2,2]",
     "matmul_integer: inputs are f32[2,3] and i8[3,2], their elements must be i8 or u8"                                                             },
    {"matmul_integer %c, %c, %cz, %dz : i32[2,2]",
     "matmul_integer: inner sizes are 3 and 2, which must be equal"                                                                                 },
    {"matmul_integer %c, %d, %dz, %dz : i32[2,2]",
     "matmul_integer: first zero point is i8[1,2], must be i8[2,1]"                                                                                 },
    {"matmul_integer %c, %d, %cz, %cz : i32[2,2]",
     "matmul_integer: second zero point is i8[2,1], must be i8[1,2]"                                                                                },
    {"row_ends %i : f32[2,2]",                                                       "row_ends: input is i32[2,3], its elements must be f32 or f16" },
    {"row_ends %one : f32[2]",                                                       "row_ends: input is f32[], must have at least 1 dimension"     },
    {"segment_max %f, %keys : f32[2,3]",                                             "segment_max: input is f32[2,3], must have 3 dimensions"       },
    {"segment_max %x, %n : f32[2,5,2]",                                              "segment_max: segments are i32[2,1], must be i32[2,5]"         },
    {"gelu %f {form=\"quick\"} : f32[2,3]",                                          "gelu: form is \"quick\", must be erf or tanh"                 },
    {"broadcast %f {shape=[3,3]} : f32[3,3]",
     "broadcast: input is f32[2,3], each of its dimensions must be 1 or, counted from the last, "
     "equal that of [3,3]"                                                                                                                          },
    {"broadcast %f {shape=[3]} : f32[3]",
     "broadcast: input is f32[2,3], each of its dimensions must be 1 or, counted from the last, "
     "equal that of [3]"                                                                                                                            },
    {"broadcast %one {shape=[-1]} : f32[1]",
     "broadcast: shape is [-1], must have at most 8 dimensions, none negative, and at most "
     "1099511627776 elements"                                                                                                                       },
    {"reshape %f {shape=[4]} : f32[4]",
     "reshape: input is f32[2,3] of 6 elements, must have the 4 of [4]"                                                                             },
    {"transpose %f {perm=[0,0]} : f32[2,2]",
     "transpose: perm is [0,0], must hold each dimension of f32[2,3] once"                                                                          },
    {"slice %f {start=[0] step=[1] size=[2]} : f32[2]",
     "slice: start, step and size are [0], [1] and [2], must have one number for each of the 2 "
     "dimensions"                                                                                                                                   },
    {"slice %f {start=[0,1] step=[1,1] size=[2,3]} : f32[2,3]",
     "slice: dimension 1 takes 3 elements from 1 in steps of 1, must stay within its 3"                                                             },
    {"slice %f {start=[0,0] step=[1,9223372036854775807] size=[2,3]} : f32[2,3]",
     "slice: dimension 1 takes 3 elements from 0 in steps of 9223372036854775807, must stay "
     "within its 3"                                                                                                                                 },
    {"slice %f {start=[0,0] step=[1,0] size=[2,3]} : f32[2,3]",
     "slice: dimension 1 takes 3 elements from 0 in steps of 0, must stay within its 3"                                                             },
    {"concat %f, %g {axis=0} : f32[5,3]",
     "concat: inputs are f32[2,3] and f32[3,2], which must be equal except along axis 0"                                                            },
    {"concat %f, %f {axis=2} : f32[2,3]",
     "concat: axis is 2, must be 0 or more and below the rank 2"                                                                                    },
    {"gather %f, %g {axis=0} : f32[2,3]",
     "gather: indices are f32[3,2], their elements must be i32"                                                                                     },
    {"gather %one, %i {axis=0} : f32[2,3]",
     "gather: axis is 0, must be 0 or more and below the rank 0"                                                                                    },
    {"matmul %f, %f : f32[2,3]",                                                     "matmul: inner sizes are 3 and 2, which must be equal"         },
    {"matmul %i, %i : i32[2,3]",
     "matmul: inputs are i32[2,3] and i32[2,3], their elements must be both f32 or both f16"                                                        },
    {"matmul %f, %row : f32[2]",
     "matmul: inputs are f32[2,3] and f32[3], each must have at least 2 dimensions"                                                                 },
    {"matmul %f, %q : f32[2,2,6]",
     "matmul: leading dimensions are [] and [2], which must be equal, or the second none"                                                           },
    {"reduce_sum %b {axes=[0]} : bool[3]",
     "reduce_sum: input is bool[2,3], its elements must be f32, f16 or i32"                                                                         },
    {"reduce_sum %f {axes=[1,0]} : f32[]",                                           "reduce_sum: axes are [1,0], must rise"                        },
    {"reduce_sum %f {axes=[0,0]} : f32[]",                                           "reduce_sum: axes are [0,0], must rise"                        },
    {"cumsum %f {axis=-1} : f32[2,3]",
     "cumsum: axis is -1, must be 0 or more and below the rank 2"                                                                                   },
    {"softmax %i {axis=0} : i32[2,3]",
     "softmax: input is i32[2,3], its elements must be f32 or f16"                                                                                  },
    {"layer_norm %f, %row, %f {eps=1} : f32[2,3]",
     "layer_norm: beta is f32[2,3], must be f32[3] for an input of f32[2,3]"                                                                        },
    {"layer_norm %f, %row, %row {eps=-1} : f32[2,3]",
     "layer_norm: eps is -1.000000, must be 0 or more"                                                                                              },
    {"layer_norm %i, %row, %row {eps=1} : f32[2,3]",
     "layer_norm: input is i32[2,3], must be of f32 or f16 and have a last dimension that is not "
     "empty"                                                                                                                                        },
    {"rms_norm %f, %f {eps=1} : f32[2,3]",
     "rms_norm: gamma is f32[2,3], must be f32[3] for an input of f32[2,3]"                                                                         },
    {"rms_norm %f, %row {eps=inf} : f32[2,3]",                                       "rms_norm: eps is inf, must be 0 or more"                      },
    {"rms_norm %i, %row {eps=1} : f32[2,3]",
     "rms_norm: input is i32[2,3], must be of f32 or f16 and have a last dimension that is not "
     "empty"                                                                                                                                        },
    {"rotary %f, %f, %f {heads=1 form=\"pairs\"} : f32[2,3]",
     "rotary: x is f32[2,3], must be [batch,tokens,hidden] of f32 or f16"                                                                           },
    {"rotary %q, %q, %q {heads=2 form=\"pairs\"} : f32[2,4,6]",
     "rotary: heads is 2, must cut the hidden size 6 into parts of even size"                                                                       },
    {"rotary %q, %k, %q {heads=1 form=\"pairs\"} : f32[2,4,6]",
     "rotary: cos is f32[2,5,6], must be f32[1,4,6] or f32[2,4,6] for an x of f32[2,4,6]"                                                           },
    {"rotary %q, %q, %q {heads=1 form=\"thirds\"} : f32[2,4,6]",
     "rotary: form is \"thirds\", must be pairs or halves"                                                                                          },
    {"attention %q, %k, %q {heads=2 scale=1 mask=\"none\"} : f32[2,4,6]",
     "attention: q, k and v are f32[2,4,6], f32[2,5,6] and f32[2,4,6], must be "
     "[batch,queries,hidden] and twice [batch,keys,hidden], all of f32 or all of f16"                                                               },
    {"attention %q, %k, %k {heads=4 scale=1 mask=\"none\"} : f32[2,4,6]",
     "attention: heads is 4, must divide the hidden size 6"                                                                                         },
    {"attention %q, %k, %k {heads=2 scale=inf mask=\"none\"} : f32[2,4,6]",
     "attention: scale must be finite"                                                                                                              },
    {"attention %q, %k, %k, %keys {heads=2 scale=1 mask=\"none\"} : f32[2,4,6]",
     "attention: has 4 inputs and mask none, must have 3"                                                                                           },
    {"attention %q, %k, %k {heads=2 scale=1 mask=\"keys\"} : f32[2,4,6]",
     "attention: has 3 inputs and mask keys, must have 4"                                                                                           },
    {"attention %q, %k, %k, %keys {heads=2 scale=1 mask=\"causal\"} : f32[2,4,6]",
     "attention: mask is \"causal\", must be none, keys, keys:NUMBER, segments, lengths or bias, "
     "or one of these with +bias or +guard"                                                                                                         },
    {"attention %q, %k, %k, %keys {heads=2 scale=1 mask=\"keys:10\"} : f32[2,4,6]",
     "attention: mask is \"keys:10\", must be none, keys, keys:NUMBER, segments, lengths or bias, "
     "or one of these with +bias or +guard"                                                                                                         },
    {"attention %q, %k, %k, %n {heads=2 scale=1 mask=\"keys\"} : f32[2,4,6]",
     "attention: mask keys is i32[2,1], must be i32[2,5]"                                                                                           },
    {"attention %q, %k, %k, %keys {heads=2 scale=1 mask=\"segments\"} : f32[2,4,6]",
     "attention: mask segments has 4 queries and 5 keys, which must be as many"                                                                     },
    {"attention %q, %k, %k, %keys {heads=2 scale=1 mask=\"lengths\"} : f32[2,4,6]",
     "attention: mask lengths is i32[2,5], must be i32[2] or i32[2,1]"                                                                              },
    {"attention %q, %k, %k, %f {heads=2 scale=1 mask=\"bias\"} : f32[2,4,6]",
     "attention: mask bias is f32[2,3], must be of f32 or f16 and [2,2,4,5], or 1 in place of any"                                                  },
    {"pack %q, %keys {rows=1 row_length=8} : f32[1,8,6]",
     "pack: places of segments are i32[2,5], must be i32[2,1] or i32[2,2]"                                                                          },
    {"pack %row, %n {rows=1 row_length=8} : f32[1,8]",
     "pack: input is f32[3], must have a dimension of rows and one of tokens"                                                                       },
    {"pack %q, %n {rows=0 row_length=8} : f32[1,8,6]",
     "pack: rows and row_length are 0 and 8, must be at least 1"                                                                                    },
    {"pack %q, %n {rows=1099511627776 row_length=2} : f32[1,8,6]",
     "pack: result is f32[1099511627776,2,6], must have at most 8 dimensions and 1099511627776 "
     "elements"                                                                                                                                     },
    {"unpack %q, %keys {segment_max_size=3} : f32[2,3,6]",
     "unpack: places of segments are i32[2,5], must be i32[segments,1] or i32[segments,2]"                                                          },
    {"unpack %q, %n {segment_max_size=0} : f32[2,3,6]",
     "unpack: segment_max_size is 0, must be at least 1"                                                                                            },
};

class Refused : public ::testing::TestWithParam<Refusal> {};

TEST_P(Refused, in_these_words) {
  const std::string text =
      std::string("graph @f(") + kInputs + ") {\n  %y = " + GetParam().line + "\n  return %y\n}\n";
  EXPECT_EQ(parse_error(text), std::string("2:8: y: ") + GetParam().error);
}

// "add_5": the op, and where its line stands above.
std::string name_of(const ::testing::TestParamInfo<Refusal>& info) {
  const std::string line = info.param.line;
  return line.substr(0, line.find(' ')) + "_" + std::to_string(info.index);
}
INSTANTIATE_TEST_SUITE_P(, Refused, ::testing::ValuesIn(kRefusals), name_of);

TEST(Concat, sizes_that_add_up_to_too_much_are_refused) {
  EXPECT_THAT(parse_error("graph @f(%x: f32[1099511627776]) {\n"
                          "  %y = concat %x, %x {axis=0} : f32[1]\n  return %y\n}"),
              ::testing::HasSubstr("result is f32[2199023255552], must have at most 8 dimensions"));
}

}  // namespace
}  // namespace tessera
