// SPDX-License-Identifier: Apache-2.0
// Elements looked up by number, as masks and relative positions of exported encoders are: the
// answer, the form in the Graph, and what is refused. ONNX's node tests have the plain cases.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ir/interpreter.h"
#include "tests/compiler/onnx/builder.h"

namespace tessera::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int32_t kFloat = TensorProto::FLOAT;
constexpr int32_t kInt32 = TensorProto::INT32;

void constant(ModelBuilder& m, const std::string& name, const Ints& values, const Ints& dims) {
  m.ints(name, values);
  TensorProto& tensor = *m.graph().mutable_initializer(m.graph().initializer_size() - 1);
  tensor.clear_dims();
  for (const int64_t dim : dims) tensor.add_dims(dim);
}

Array counted(DType dtype, const Shape& shape) {
  Array array{
      {dtype, shape},
      {}
  };
  for (int64_t i = 0; i < elements(shape); ++i) array.data.push_back(static_cast<double>(i));
  return array;
}

// The first output, or the error.
Expected<std::vector<double>> answer(const ModelBuilder& m,
                                     const std::map<std::string, Array>& inputs) {
  const TempFolder folder;
  const ImportedModel model = TRY(import_onnx(m.save(folder), {}));
  return TRY(interpret(model.graph, inputs))[0].data;
}

// mask[b, s] of every pair (b, 0, q, s), as exporters index a mask by broadcast counters.
ModelBuilder mask_by_pairs() {
  ModelBuilder m(18);
  m.input("mask", kInt32, "2,3");
  Ints pairs;
  for (const int64_t b : {0, 1})
    for (int q = 0; q < 3; ++q)
      for (const int64_t s : {0, 1, 2}) pairs.insert(pairs.end(), {b, s});
  constant(m, "at", pairs, {2, 1, 3, 3, 2});
  m.node("GatherND", {"mask", "at"}, {"y"});
  return m.output("y");
}

TEST(Lookup, of_a_mask_by_counted_pairs_is_the_mask_stretched) {
  const ModelBuilder m = mask_by_pairs();
  EXPECT_THAT(imported(m), HasSubstr("broadcast"));
  EXPECT_THAT(imported(m), Not(HasSubstr("gather")));
  const auto y = answer(m, {
                               {"mask", counted(DType::I32, {2, 3})}
  });
  ASSERT_TRUE(y.ok());
  EXPECT_THAT(*y, ElementsAre(0, 1, 2, 0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5, 3, 4, 5));
}

TEST(Lookup, of_a_flat_mask_by_counted_numbers_is_the_mask_stretched) {
  ModelBuilder m(18);
  m.input("mask", kInt32, "6");
  constant(m, "at", {0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5}, {2, 2, 3});
  m.node("Gather", {"mask", "at"}, {"y"});
  m.output("y");
  EXPECT_THAT(imported(m), Not(HasSubstr("gather")));
  const auto y = answer(m, {
                               {"mask", counted(DType::I32, {6})}
  });
  ASSERT_TRUE(y.ok());
  EXPECT_THAT(*y, ElementsAre(0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5));
}

TEST(Lookup, by_numbers_that_do_not_step_evenly_is_a_gather) {
  ModelBuilder m(18);
  m.input("x", kFloat, "6");
  constant(m, "at", {0, 1, 3, -1}, {2, 2});
  m.node("Gather", {"x", "at"}, {"y"});
  m.output("y");
  EXPECT_THAT(imported(m), HasSubstr("gather"));
  const auto y = answer(m, {
                               {"x", counted(DType::F32, {6})}
  });
  ASSERT_TRUE(y.ok());
  EXPECT_THAT(*y, ElementsAre(0, 1, 3, 5));
}

// Every fourth, from the second on, and the other way round in pairs.
TEST(Lookup, by_steps_is_a_slice_of_digits) {
  ModelBuilder m(18);
  m.input("x", kFloat, "12");
  constant(m, "at", {1, 5, 9, 2, 6, 10}, {2, 3});
  m.node("Gather", {"x", "at"}, {"y"});
  m.output("y");
  EXPECT_THAT(imported(m), HasSubstr("slice"));
  const auto y = answer(m, {
                               {"x", counted(DType::F32, {12})}
  });
  ASSERT_TRUE(y.ok());
  EXPECT_THAT(*y, ElementsAre(1, 5, 9, 2, 6, 10));
}

ModelBuilder elements_model(const std::string& data, const std::string& at, int64_t axis) {
  ModelBuilder m(18);
  m.input("x", kFloat, data).input("at", kInt32, at);
  set_attribute(m.node("GatherElements", {"x", "at"}, {"y"}), "axis", int64_t{axis});
  return m.output("y");
}

Array integers(const Shape& shape, std::vector<double> values) {
  return {
      {DType::I32, shape},
      std::move(values)
  };
}

TEST(Lookup, of_elements_by_given_numbers_counts_from_either_end) {
  const auto y =
      answer(elements_model("2,3", "2,2", 1),
             {
                 {"x",  counted(DType::F32, {2, 3})        },
                 {"at", integers({2, 2},    {2, -3, -1, 1})}
  });
  ASSERT_TRUE(y.ok());
  EXPECT_THAT(*y, ElementsAre(2, 0, 5, 4));
}

TEST(Lookup, of_elements_takes_fewer_rows_than_there_are) {
  const auto y = answer(elements_model("3,2", "1,1", 0),
                        {
                            {"x",  counted(DType::F32, {3, 2})},
                            {"at", integers({1, 1},    {2})   }
  });
  ASSERT_TRUE(y.ok());
  EXPECT_THAT(*y, ElementsAre(4));
}

// A number that is beyond its own axis would otherwise be an element of the next row.
TEST(Lookup, of_elements_refuses_a_number_beyond_its_axis) {
  const auto y =
      answer(elements_model("2,3", "2,2", 1),
             {
                 {"x",  counted(DType::F32, {2, 3})      },
                 {"at", integers({2, 2},    {3, 0, 0, 0})}
  });
  ASSERT_FALSE(y.ok());
  EXPECT_THAT(y.error().message, HasSubstr("index is 6"));
}

TEST(Lookup, of_elements_by_constants_that_repeat_keeps_rows_whole) {
  ModelBuilder m(18);
  m.input("x", kFloat, "2,2,3");
  constant(m, "at", {2, 0, 1, 1, 2, 0, 1, 1}, {2, 2, 2});  // the same for both of axis 0
  set_attribute(m.node("GatherElements", {"x", "at"}, {"y"}), "axis", int64_t{2});
  m.output("y");
  EXPECT_THAT(imported(m), HasSubstr("i32[1,2,2]"));
  const auto y = answer(m, {
                               {"x", counted(DType::F32, {2, 2, 3})}
  });
  ASSERT_TRUE(y.ok());
  EXPECT_THAT(*y, ElementsAre(2, 0, 4, 4, 8, 6, 10, 10));
}

TEST(Lookup, of_tuples_by_given_numbers_has_batch_axes) {
  ModelBuilder m(18);
  m.input("x", kFloat, "2,2,2").input("at", kInt32, "2,1");
  set_attribute(m.node("GatherND", {"x", "at"}, {"y"}), "batch_dims", int64_t{1});
  m.output("y");
  const auto y =
      answer(m, {
                    {"x",  counted(DType::F32, {2, 2, 2})},
                    {"at", integers({2, 1},    {1, -2})  }
  });
  ASSERT_TRUE(y.ok());
  EXPECT_THAT(*y, ElementsAre(2, 3, 4, 5));
}

TEST(Lookup, constant_numbers_beyond_an_axis_are_refused_at_import) {
  ModelBuilder m(18);
  m.input("x", kFloat, "2,3");
  constant(m, "at", {0, 3}, {1, 2});
  m.node("GatherND", {"x", "at"}, {"y"});
  m.output("y");
  EXPECT_EQ(imported(m), "node 'n' (GatherND): index is 3, must be within the 3 of axis 1");
}

TEST(Lookup, scattered_rows_take_the_place_of_others) {
  ModelBuilder m(18);
  m.input("x", kFloat, "3,2").input("u", kFloat, "1,2");
  constant(m, "at", {-1}, {1, 1});
  m.node("ScatterND", {"x", "at", "u"}, {"y"});
  m.output("y");
  const auto y =
      answer(m, {
                    {"x", counted(DType::F32, {3, 2})},
                    {"u", counted(DType::F32, {1, 2})}
  });
  ASSERT_TRUE(y.ok());
  EXPECT_THAT(*y, ElementsAre(0, 1, 2, 3, 0, 1));
}

// As a causal mask that is written over by one with padding: at any number of rows.
TEST(Lookup, rows_that_are_all_scattered_are_the_updates) {
  ModelBuilder m(18);
  m.input("x", kFloat, "3,2").input("u", kFloat, "3,2");
  constant(m, "at", {0, 1, 2}, {3, 1});
  m.node("ScatterND", {"x", "at", "u"}, {"y"});
  m.output("y");
  EXPECT_EQ(imported(m),
            "graph @main(%x: f32[3,2], %u: f32[3,2]) {\n"
            "  return %u as \"y\"\n"
            "}\n");
}

TEST(Lookup, scattered_rows_are_not_added) {
  ModelBuilder m(18);
  m.input("x", kFloat, "3,2").input("u", kFloat, "1,2");
  constant(m, "at", {0}, {1, 1});
  set_attribute(m.node("ScatterND", {"x", "at", "u"}, {"y"}), "reduction", "add");
  m.output("y");
  EXPECT_EQ(imported(m), "node 'n' (ScatterND): reduction is 'add', must be 'none'");
}

TEST(Batches, named_apart_for_each_input_are_one) {
  ModelBuilder m(23);
  m.input("ids", kInt32, "s10,s11").input("mask", kInt32, "s86,s11");
  m.node("Add", {"ids", "mask"}, {"y"});
  m.output("y");
  EXPECT_THAT(imported(m, given("ids", {3, 16})), HasSubstr("%mask: i32[3,16]"));
}

TEST(OnnxAttention, hides_where_a_mask_of_bools_is_false) {
  ModelBuilder m(23);
  m.input("q", kFloat, "1,1,2,1").input("m", TensorProto::BOOL, "1,1,1,2");
  m.node("Attention", {"q", "q", "q", "m"}, {"y"});
  m.output("y");
  const Array mask{
      {DType::Bool, {1, 1, 1, 2}},
      {0,           1           }
  };
  const auto y = answer(m, {
                               {"q", counted(DType::F32, {1, 1, 2, 1})},
                               {"m", mask}
  });
  ASSERT_TRUE(y.ok());
  EXPECT_THAT(*y, ElementsAre(1, 1));  // the second value alone
}

// --- 8-bit integers, and what is known. ---

TEST(NarrowIntegers, are_cut_to_their_bits_by_a_cast) {
  for (const auto& [type, wanted] : std::map<int32_t, std::vector<double>>{
           {TensorProto::UINT8, {255, 0, 44}},
           {TensorProto::INT8,  {-1, 0, 44} }
  }) {
    ModelBuilder m(18);
    m.input("x", kInt32, "3");
    set_attribute(m.node("Cast", {"x"}, {"narrow"}), "to", int64_t{type});
    set_attribute(m.node("Cast", {"narrow"}, {"y"}), "to", int64_t{kFloat});
    m.output("y");
    const auto y = answer(m, {
                                 {"x", integers({3}, {-1, 256, 300})}
    });
    ASSERT_TRUE(y.ok());
    EXPECT_EQ(*y, wanted);
  }
}

TEST(NarrowIntegers, are_not_computed_with) {
  ModelBuilder m(18);
  m.input("x", kInt32, "3");
  set_attribute(m.node("Cast", {"x"}, {"narrow"}), "to", int64_t{TensorProto::UINT8});
  m.node("Reshape", {"narrow", "shape"}, {"moved"});
  m.ints("shape", {3});
  m.node("Add", {"moved", "moved"}, {"y"}, "sum");
  m.output("y");
  EXPECT_EQ(imported(m),
            "node 'sum' (Add): an operand is of uint8, must be cast to int32 or a "
            "float before it is computed with");
}

TEST(Known, cosines_are_constants_however_large) {
  ModelBuilder m(18);
  m.floats("frequency", {1, 0.5f}, {1, 2});
  m.ints("start", {0}, true).ints("end", {100}, true).ints("step", {1}, true).ints("axis", {1});
  m.node("Range", {"start", "end", "step"}, {"count"});
  set_attribute(m.node("Cast", {"count"}, {"number"}), "to", int64_t{kFloat});
  m.node("Unsqueeze", {"number", "axis"}, {"column"});
  m.node("MatMul", {"column", "frequency"}, {"angle"});
  m.node("Cos", {"angle"}, {"y"});
  m.output("y");
  EXPECT_THAT(imported(m), Not(HasSubstr("matmul")));
  const auto y = answer(m, {});
  ASSERT_TRUE(y.ok());
  EXPECT_NEAR((*y)[198], std::cos(99.0), 1e-6);
  EXPECT_NEAR((*y)[199], std::cos(49.5), 1e-6);
}

TEST(Known, sines_of_an_input_are_the_graphs) {
  ModelBuilder m(18);
  m.input("x", kFloat, "3");
  m.node("Cos", {"x"}, {"c"});
  m.node("Sin", {"x"}, {"s"});
  m.node("Add", {"c", "s"}, {"y"});
  m.output("y");
  const auto y = answer(m, {
                               {"x", {{DType::F32, {3}}, {0, 1, -1000}}}
  });
  ASSERT_TRUE(y.ok()) << y.error().message;
  EXPECT_NEAR((*y)[0], 1, 1e-6);
  EXPECT_NEAR((*y)[1], std::cos(1.0) + std::sin(1.0), 1e-6);
  EXPECT_NEAR((*y)[2], std::cos(1000.0) - std::sin(1000.0), 1e-6);
}

}  // namespace
}  // namespace tessera::test
