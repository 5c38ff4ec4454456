// SPDX-License-Identifier: Apache-2.0
// The example of docs/packing.md, number by number, on a BERT; and models from elsewhere.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "compiler/onnx/import/import.h"
#include "ir/interpreter.h"
#include "tests/compiler/requests_by_hand.h"
#include "tests/helpers/onnx_case.h"

namespace tessera::test {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kRows = 4, kRowLength = 8, kRequests = 8;

// Lengths 1 to 7, as the chapter packs them.
// clang-format off
const std::vector<double> kMaskA = {
    1, 2, 2, 3, 3, 3, 4, 4,
    4, 4, 5, 5, 5, 5, 5, 6,
    6, 6, 6, 6, 6, 7, 7, 7,
    7, 7, 7, 7, 0, 0, 0, 0,
};
const std::vector<double> kPositionsA = {
    0, 0, 1, 0, 1, 2, 0, 1,
    2, 3, 0, 1, 2, 3, 4, 0,
    1, 2, 3, 4, 5, 0, 1, 2,
    3, 4, 5, 6, 0, 0, 0, 0,
};
const std::vector<double> kUnpackInfo = {1, 2, 3, 4, 5, 6, 7, 0};
const std::vector<double> kMaskB = {
    1, 2, 2, 3, 3, 3, 0, 0,
    1, 1, 1, 1, 0, 0, 0, 0,
    1, 1, 1, 1, 1, 0, 0, 0,
    1, 1, 1, 1, 1, 1, 0, 0,
};
const std::vector<double> kPositionsB = {
    0, 0, 1, 0, 1, 2, 0, 0,
    0, 1, 2, 3, 0, 0, 0, 0,
    0, 1, 2, 3, 4, 0, 0, 0,
    0, 1, 2, 3, 4, 5, 0, 0,
};
// clang-format on

Expected<Graph> import_shared(const std::string& path, const Shape& shape,
                              const std::vector<std::string>& inputs) {
  std::map<std::string, Shape> shapes;
  for (const std::string& name : inputs) shapes[name] = shape;
  return TRY(import_onnx(*shared_folder() / "models" / path / "model.onnx", shapes)).graph;
}

class PackedExample : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!shared_folder())
      GTEST_SKIP() << "left out: the chapter's example on a BERT, for want of the shared models";
    for (auto [graph, rows] : {
             std::pair{&alone_,  kRequests - 1},
             {&packed_, kRows        }
    }) {
      Expected<Graph> imported =
          import_shared("generated/hf_bert_qa_op11_oldnames", {rows, kRowLength},
                        {"input_ids", "attention_mask", "token_type_ids"});
      ASSERT_TRUE(imported.ok()) << imported.error().message;
      *graph = imported.take();
    }
  }

  // The chapter's requests, of which form B takes six.
  void check(PassState state, const std::vector<double>& mask, const std::vector<double>& positions,
             int64_t taken) {
    const auto timings = run_passes(packed_, state, {}, {}, "");
    ASSERT_TRUE(timings.ok()) << timings.error().message;
    std::vector<TestRequest> requests = draw_requests({1, 2, 3, 4, 5, 6, 7});
    const Inputs each = padded_inputs(alone_, requests, 0);
    requests.resize(taken);
    const std::vector<int64_t> starts = state.options.packing == PackingForm::A
                                            ? starts_end_to_end(requests)
                                            : starts_in_rows(requests, kRowLength);
    const Inputs together = packed_inputs(packed_, state, requests, starts);
    EXPECT_EQ(together.at("attention_mask").data, mask);
    EXPECT_EQ(together.at("position_ids").data, positions);
    if (state.options.packing == PackingForm::A) {
      EXPECT_EQ(together.at("unpack_info").data, kUnpackInfo);
    }
    expect_same(each, together, requests, state.options.packing == PackingForm::A, starts);
  }

  void expect_same(const Inputs& each, const Inputs& together,
                   const std::vector<TestRequest>& requests, bool unpacked,
                   const std::vector<int64_t>& starts) {
    const auto wanted = interpret(alone_, each), got = interpret(packed_, together);
    ASSERT_TRUE(wanted.ok() && got.ok());
    for (size_t o = 0; o < 2; ++o)
      for (size_t i = 0; i < requests.size(); ++i) {
        const int64_t own = static_cast<int64_t>(i) * kRowLength, length = requests[i].length();
        const auto a = rows_of((*got)[o], 2, unpacked ? own : starts[i], length);
        const auto b = rows_of((*wanted)[o], 2, own, length);
        EXPECT_THAT(a, ::testing::Pointwise(::testing::DoubleNear(2e-6), b)) << "request " << i;
      }
  }

  Graph alone_, packed_;
};

TEST_F(PackedExample, form_a_takes_all_seven_requests) {
  PassState state;
  state.options.packing = PackingForm::A;
  state.options.max_valid_num = kRequests;
  state.options.segment_max_size = kRowLength;
  check(state, kMaskA, kPositionsA, 7);
}

TEST_F(PackedExample, form_b_takes_six_requests_first_come_first_served) {
  PassState state;
  state.options.packing = PackingForm::B;
  check(state, kMaskB, kPositionsB, 6);
}

struct Foreign {
  const char* path;
  Shape shape;
  std::vector<std::string> inputs;
  int attentions, gelus, layer_norms;
  const char* refuses_a;
  bool fp16 = false;
};
void PrintTo(const Foreign& model, std::ostream* out) { *out << model.path; }

const Foreign kForeign[] = {
    {"fetched/ort_keras2onnx_bert_mrpc_op10",
     {2, 7},
     {"input_ids", "attention_mask", "token_type_ids"},
     12, 12,
     25, ""},
    {"fetched/ort_keras2onnx_bert_squad_op11",
     {2, 7},
     {"input_ids", "attention_mask", "token_type_ids"},
     24, 24,
     49, ""},
    {"fetched/ort_pytorch13_bert_squad_op10_repaired",
     {2, 9},
     {"input_ids", "input_mask", "segment_ids"},
     12, 12,
     25, ""},
    {"fetched/ort_pytorch13_bert_squad_fp16_casts_op11",
     {2, 9},
     {"input_ids", "input_mask", "segment_ids"},
     12, 12,
     25, "",
     true},
    {"fetched/vespa_pytorch18_encoder_op12",
     {2, 6},
     {"input"},
     0, 0,
     4, "node 'Reshape_41' (reshape): reshapes [2,6,16] to [2,12,8], which takes tokens apart"},
    {"generated/hf_vit_imgcls_op13",
     {2, 3, 32, 32},
     {"pixel_values"},
     2, 2,
     5, "packing: no input i32[batch,sequence] is looked up in a table"},
};

class ForeignModel : public ::testing::TestWithParam<Foreign> {};

TEST_P(ForeignModel, is_understood_or_refused_by_name) {
  if (!shared_folder())
    GTEST_SKIP() << "left out: passes on models from elsewhere, for want of the shared models";
  const Foreign& model = GetParam();
  Expected<Graph> graph = import_shared(model.path, model.shape, model.inputs);
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  Graph packed = graph->clone();
  PassState plain, form_a;
  plain.options.fp16 = form_a.options.fp16 = model.fp16;
  ASSERT_TRUE(run_passes(*graph, plain, {}, {}, "").ok());
  std::map<Op, int> count;
  for (const auto& node : graph->nodes()) ++count[node->op];
  EXPECT_EQ(count[Op::Attention], model.attentions);
  EXPECT_EQ(count[Op::Gelu], model.gelus);
  EXPECT_EQ(count[Op::LayerNorm], model.layer_norms);

  form_a.options.packing = PackingForm::A;
  form_a.options.max_valid_num = 3;
  form_a.options.segment_max_size = model.shape[1];
  const auto result = run_passes(packed, form_a, {}, {}, "");
  if (model.refuses_a[0] != '\0') {
    ASSERT_FALSE(result.ok());
    EXPECT_THAT(result.error().message, HasSubstr(model.refuses_a));
  } else {
    ASSERT_TRUE(result.ok()) << result.error().message;
    EXPECT_EQ(form_a.packing.position_input, "position_ids");
  }
}

std::string model_name(const ::testing::TestParamInfo<Foreign>& info) {
  return std::filesystem::path(info.param.path).filename();
}
INSTANTIATE_TEST_SUITE_P(, ForeignModel, ::testing::ValuesIn(kForeign), model_name);

}  // namespace
}  // namespace tessera::test
