// SPDX-License-Identifier: Apache-2.0
// A packed model that was written as ONNX is still known to be packed, and how.
#include "compiler/packing_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "compiler/compile.h"
#include "compiler/convert.h"
#include "compiler/onnx/import/import.h"
#include "compiler/onnx/make/make_model.h"
#include "tests/compiler/onnx/builder.h"

namespace tessera::test {
namespace {

using ::testing::HasSubstr;

class Packed : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(make_model(*make_model_preset("tiny"), folder_ / "bert.onnx").ok());
    form_a_.input_shape["input_ids"] = {2, 16};
    form_a_.pack_args = PackArgs{5, 12};
    form_b_.input_shape["input_ids"] = {2, 16};
    form_b_.passes = {"insert_attention_mask"};
  }

  // Compiled from the model that convert writes.
  Expected<CompileResult> through_onnx(const CompileOptions& options) {
    TRY(write_converted(TRY(convert(folder_ / "bert.onnx", options)), folder_ / "packed.onnx"));
    return compile(folder_ / "packed.onnx", {});
  }

  TempFolder folder_;
  CompileOptions form_a_, form_b_;
};

TEST_F(Packed, a_converted_model_compiles_to_the_executable_of_its_source) {
  for (const CompileOptions& options : {form_a_, form_b_}) {
    const auto direct = compile(folder_ / "bert.onnx", options);
    const auto converted = through_onnx(options);
    ASSERT_TRUE(direct.ok()) << direct.error().message;
    ASSERT_TRUE(converted.ok()) << converted.error().message;
    const Metadata& one = direct->executable.metadata;
    const Metadata& other = converted->executable.metadata;
    EXPECT_EQ(packing_text(one.packing), packing_text(other.packing));
    EXPECT_NE(packing_text(one.packing), "");
    EXPECT_EQ(one.cycles.total, other.cycles.total);
  }
}

TEST_F(Packed, a_contract_that_does_not_fit_its_graph_is_refused) {
  const auto converted = convert(folder_ / "bert.onnx", form_a_);
  ASSERT_TRUE(converted.ok());
  const auto refusal = [&](auto spoil) {
    PackingContract contract = converted->packing;
    spoil(contract);
    const auto parsed = parse_packing(packing_text(contract), converted->graph);
    return parsed.ok() ? "" : parsed.error().message;
  };
  EXPECT_EQ(refusal([](auto&) {}), "");
  EXPECT_THAT(refusal([](auto& c) { c.rows = 3; }),
              HasSubstr("input 'input_ids' is i32[2,16], must be i32[3,16]"));
  EXPECT_THAT(refusal([](auto& c) { c.row_length = 0; }), HasSubstr("a size is 0"));
  EXPECT_THAT(refusal([](auto& c) { c.segment_max_size = 17; }),
              HasSubstr("must be at most row_length, 16"));
  EXPECT_THAT(refusal([](auto& c) { c.max_valid_num = 0; }), HasSubstr("max_valid_num is 0"));
  EXPECT_THAT(refusal([](auto& c) { c.max_valid_num = 6; }),
              HasSubstr("input 'unpack_info' is i32[5,1], must be i32[6,1]"));
  EXPECT_THAT(refusal([](auto& c) { c.mask_input = "mask"; }),
              HasSubstr("'mask' is not an input of the graph"));
  EXPECT_THAT(refusal([](auto& c) { c.outputs.pop_back(); }), HasSubstr("its outputs are not"));
}

TEST_F(Packed, a_contract_that_is_no_contract_is_refused) {
  const Graph graph;
  for (const char* text : {"{", "[]", "{}", "3", R"({"form": "A", "rows": "many"})"}) {
    const auto parsed = parse_packing(text, graph);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.error().kind, ErrorKind::BadFile);
    EXPECT_THAT(parsed.error().message, HasSubstr("what convert wrote"));
  }
  const auto deep = parse_packing(std::string(100'000, '['), graph);
  ASSERT_FALSE(deep.ok());
  EXPECT_THAT(deep.error().message, HasSubstr("is nested 33 deep, must be at most 32"));
}

TEST_F(Packed, what_a_model_declares_is_read_before_anything_is_fixed) {
  const auto inputs = declared_model_inputs(folder_ / "bert.onnx");
  ASSERT_TRUE(inputs.ok());
  ASSERT_EQ(inputs->size(), 3u);
  EXPECT_EQ((*inputs)[0].name, "input_ids");
  EXPECT_EQ((*inputs)[0].dtype, "int64");
  EXPECT_EQ((*inputs)[0].shape, (Shape{-1, -1}));
}

}  // namespace
}  // namespace tessera::test
