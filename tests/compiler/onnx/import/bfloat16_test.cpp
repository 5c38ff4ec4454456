// SPDX-License-Identifier: Apache-2.0
// bfloat16 is taken for float32, which holds each of its numbers. ONNX's own tests of it are among
// those of conformance_node_test.cpp.
#include <gmock/gmock.h>

#include <bit>
#include <cmath>
#include <limits>

#include "tests/compiler/onnx/import/one_node.h"

namespace tessera::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int32_t kBfloat16 = TensorProto::BFLOAT16;

// 1, -2.5, the largest, the smallest normal number, and infinity.
const std::vector<uint16_t> kBits = {0x3f80, 0xc020, 0x7f7f, 0x0080, 0x7f80};

TensorProto& add_tensor(ModelBuilder& m) {
  TensorProto& tensor = *m.graph().add_initializer();
  tensor.set_name("w");
  tensor.set_data_type(kBfloat16);
  tensor.add_dims(std::ssize(kBits));
  return tensor;
}

void expect_widened(ModelBuilder& m) {
  m.node("Add", {"x", "w"}, {"y"});
  m.input("x", kBfloat16, "5").output("y", kBfloat16, "5");
  const std::map<std::string, Array> zeros = {
      {"x", {{DType::F32, {5}}, {0, 0, 0, 0, 0}}}
  };
  const std::vector<Array> got = run(m, zeros);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].type.dtype, DType::F32);
  EXPECT_THAT(got[0].data, ElementsAre(1, -2.5, std::ldexp(255.0, 120), std::ldexp(1.0, -126),
                                       std::numeric_limits<double>::infinity()));
}

TEST(OnnxBfloat16, constants_are_widened_exactly) {
  ModelBuilder raw;
  add_tensor(raw).set_raw_data(kBits.data(), kBits.size() * sizeof kBits[0]);
  expect_widened(raw);
  ModelBuilder as_integers;
  TensorProto& tensor = add_tensor(as_integers);
  for (const uint16_t bits : kBits) tensor.add_int32_data(bits);
  expect_widened(as_integers);
}

TEST(OnnxBfloat16, a_tensor_of_another_size_is_refused) {
  ModelBuilder m;
  add_tensor(m).set_raw_data(kBits.data(), 3);
  m.output("w");
  EXPECT_THAT(imported(m), HasSubstr("tensor 'w': holds 1 elements, must hold 5"));
}

TEST(OnnxBfloat16, casts_between_floats_of_32_bits_are_nothing) {
  ModelBuilder m;
  m.input("x", kFloat, "2").output("y");
  set_attributes(m.node("Cast",
                        {
                            "x"
  },
                        {"b"}),
                 {{"to", kBfloat16}});
  m.node("Exp", {"b"}, {"e"});
  set_attributes(m.node("Cast",
                        {
                            "e"
  },
                        {"y"}),
                 {{"to", kFloat}});
  EXPECT_EQ(imported(m),
            "graph @main(%x: f32[2]) {\n"
            "  %e = exp %x : f32[2]\n"
            "  return %e as \"y\"\n"
            "}\n");
}

TEST(OnnxBfloat16, callers_give_and_get_float32) {
  const TempFolder folder;
  ModelBuilder m;
  m.input("x", kBfloat16, "2").output("y", kBfloat16, "2");
  m.node("Exp", {"x"}, {"y"});
  const std::string path = m.save(folder);
  const auto model = import_onnx(path, {});
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(model->model_dtypes.at("x"), "float32");
  EXPECT_EQ(model->model_dtypes.at("y"), "float32");
  EXPECT_TRUE(model->warnings.empty());
  const auto declared = declared_model_inputs(path);
  ASSERT_TRUE(declared.ok());
  EXPECT_EQ(declared->at(0).dtype, "float32");
}

}  // namespace
}  // namespace tessera::test
