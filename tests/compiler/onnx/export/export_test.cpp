// SPDX-License-Identifier: Apache-2.0
// An exported Graph reads back to the same Graph: the text of both is the judge.
#include "compiler/onnx/export/export.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "passes/pipeline.h"
#include "tests/compiler/onnx/builder.h"
#include "tests/helpers/onnx_case.h"
#include "tests/helpers/paths.h"

namespace tessera::test {
namespace {

using ::testing::HasSubstr;
using DTypes = std::map<std::string, std::string>;

std::string round_trip(const Graph& graph, const DTypes& dtypes = {}) {
  const TempFolder folder;
  const auto written = export_onnx(graph, dtypes, folder / "m.onnx");
  if (!written.ok()) return written.error().message;
  const auto read = import_onnx(folder / "m.onnx", {});
  return read.ok() ? print(read->graph) : read.error().message;
}

void expect_same(const std::string& text, const DTypes& dtypes = {}) {
  auto graph = parse_graph(text);
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  EXPECT_EQ(round_trip(*graph, dtypes), print(*graph));
}

TEST(OnnxExport, core_ops_read_back_as_they_were) {
  expect_same(R"(graph @core(%x: f32[2,3,4], %c: bool[2,3,4], %i: i32[2]) {
    %b = constant {value=0.5} : f32[4]
    %wide = broadcast %b {shape=[2,3,4]} : f32[2,3,4]
    %s = select %c, %x, %wide : f32[2,3,4]
    %same = reshape %s {shape=[2,3,4]} : f32[2,3,4]
    %t = transpose %same {perm=[0,1,2]} : f32[2,3,4]
    %back = slice %t {start=[1,0,3],step=[-1,1,-2],size=[2,3,2]} : f32[2,3,2]
    %none = slice %t {start=[0,0,0],step=[1,1,1],size=[0,3,4]} : f32[0,3,4]
    %one = concat %back {axis=1} : f32[2,3,2]
    %sum = reduce_sum %one {axes=[1]} : f32[2,2]
    %kept = reduce_sum %one {axes=[]} : f32[2,3,2]
    %top = reduce_max %one {axes=[0,2]} : f32[3]
    %run = cumsum %i {axis=0} : i32[2]
    %less = less %run, %i : bool[2]
    %h = cast %sum {to="f16"} : f16[2,2]
    %g = gather %h, %i {axis=0} : f16[2,2]
    %m = matmul %g, %h : f16[2,2]
    %p = softmax %m {axis=0} : f16[2,2]
    return %p, %top, %kept, %less, %none
  })");
}

TEST(OnnxExport, model_ops_keep_every_bit_of_their_attributes) {
  expect_same(R"(graph @model(%x: f16[2,4,6], %q: f16[4,8,6], %n: i32[4,1], %m: i32[2,4]) {
    %g = gelu %x {form="tanh"} : f16[2,4,6]
    %w = constant {value=1} : f16[6]
    %l = layer_norm %g, %w, %w {eps=1e-12} : f16[2,4,6]
    %r = rms_norm %l, %w {eps=1e-12} : f16[2,4,6]
    %c = constant {value=1} : f16[1,4,2]
    %o = rotary %r, %c, %c {form="pairs",heads=3} : f16[2,4,6]
    %a = attention %o, %l, %l, %m {heads=2,mask="keys",scale=0.5773502691896258} : f16[2,4,6]
    %p = pack %q, %n {rows=2,row_length=16} : f16[2,16,6]
    %u = unpack %p, %n {segment_max_size=8} : f16[4,8,6]
    return %a, %u
  })");
}

TEST(OnnxExport, constants_keep_their_places) {
  expect_same(R"(graph @f(%x: f32[2]) {
    %late = constant {value=1} : f32[2]
    %early = constant {value=[2,3]} : f32[2]
    %a = add %x, %early : f32[2]
    %b = add %a, %late : f32[2]
    return %b
  })");
}

TEST(OnnxExport, outputs_have_the_models_names) {
  expect_same(R"(graph @f(%x: f32[2]) {
    %a = exp %x : f32[2]
    %b = exp %a : f32[2]
    return %b as "a", %a as "odd name:0", %x as "again"
  })");
}

TEST(OnnxExport, int64_inputs_and_outputs_stay_int64) {
  const std::string text = R"(graph @f(%ids: i32[2], %rows: i32[2]) {
    %sum = add %ids, %rows : i32[2]
    %three = constant {value=3} : i32[1]
    return %sum, %three, %ids as "echo"
  })";
  const DTypes dtypes = {
      {"ids",   "int64"},
      {"sum",   "int64"},
      {"three", "int64"},
      {"echo",  "int64"}
  };
  expect_same(text, dtypes);

  const TempFolder folder;
  ASSERT_TRUE(export_onnx(*parse_graph(text), dtypes, folder / "m.onnx").ok());
  const auto read = import_onnx(folder / "m.onnx", {});
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->model_dtypes.at("ids"), "int64");
  EXPECT_EQ(read->model_dtypes.at("rows"), "int32");
  EXPECT_EQ(read->model_dtypes.at("echo"), "int64");
}

TEST(OnnxExport, a_constant_without_data_is_refused) {
  auto graph = parse_graph("graph @f() {\n %c = constant {elided=\"" + std::string(64, '0') +
                           "\"} : f32[100]\n return %c\n}");
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  EXPECT_THAT(round_trip(*graph), HasSubstr("constant 'c' has no data"));
}

// Imported, and after the passes, in every form: what `tessera convert` writes.
class Converted : public ::testing::TestWithParam<const char*> {};

TEST_P(Converted, reads_back_to_the_same_graph) {
  const std::string path =
      tessera::test::source_dir() + "/tests/data/" + GetParam() + "/model.onnx";
  std::map<std::string, Shape> shapes = {
      {"input_ids", {3, 8}}
  };
  if (std::string(GetParam()).find("mask3d") != std::string::npos)
    shapes["attention_mask"] = {3, 8, 8};
  auto model = import_onnx(path, shapes);
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(round_trip(model->graph, model->model_dtypes), print(model->graph));
  for (const bool fp16 : {false, true}) {
    for (const PackingForm form : {PackingForm::None, PackingForm::A, PackingForm::B}) {
      Graph graph = model->graph.clone();
      PassState state;
      state.options.fp16 = fp16;
      state.options.packing = form;
      state.options.max_valid_num = 5;
      state.options.segment_max_size = 8;
      const auto ran = run_passes(graph, state, {}, {}, "");
      if (form != PackingForm::None && !ran.ok()) continue;  // not every model can be packed
      ASSERT_TRUE(ran.ok()) << ran.error().message;
      EXPECT_EQ(round_trip(graph, model->model_dtypes), print(graph)) << to_string(form);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, Converted,
                         ::testing::Values("hf_albert_qa_op14", "hf_bert_qa_mask3d_op13",
                                           "hf_bert_qa_op11_oldnames", "hf_distilbert_tokcls_op12",
                                           "hf_roberta_cls_op13"),
                         [](const auto& model) { return std::string(model.param); });

}  // namespace
}  // namespace tessera::test
