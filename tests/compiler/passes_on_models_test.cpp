// SPDX-License-Identifier: Apache-2.0
// The passes on what real exporters write: every pattern is found, the meaning stays, and packed
// requests get the answers that they get alone. The reference interpreter is the judge.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "compiler/onnx/import/import.h"
#include "ir/interpreter.h"
#include "passes/pipeline.h"
#include "tests/compiler/requests_by_hand.h"
#include "tests/helpers/onnx_case.h"

namespace tessera::test {
namespace {

using ::testing::HasSubstr;

struct Model {
  const char* path;  // below shared/models
  int attentions, gelus, layer_norms;
  const char* mask;
  // Part of the refusal, "" if it can be packed.
  const char* refuses_a;
  const char* refuses_b;
  Shape shape = {3, 8};  // rows and row length
};
void PrintTo(const Model& model, std::ostream* out) { *out << model.path; }

constexpr const char* kMask3d = "its mask is made of input 'attention_mask' i32[3,8,8]";

const Model kModels[] = {
    {"generated/hf_albert_qa_op14", 2, 2, 5, "keys", "", ""},
    {"generated/hf_bert_base1layer_qa_op11", 1, 1, 3, "keys", "", "", {2, 4}},
    {"generated/hf_bert_cls_op13", 2, 2, 5, "keys", "", ""},
    {"generated/hf_bert_default_op17", 2, 2, 5, "keys", "", ""},
    {"generated/hf_bert_mlm_op14", 2, 3, 6, "keys", "", ""},
    {"generated/hf_bert_qa_mask3d_op13", 2, 2, 5, "bias", kMask3d, kMask3d},
    {"generated/hf_bert_qa_op11_oldnames", 2, 2, 5, "keys", "", ""},
    {"generated/hf_bert_qa_posids_op11_oldnames", 2, 2, 5, "keys", "", ""},
    {"generated/hf_bert_qa_static_op15", 2, 2, 5, "keys", "", "", {2, 16}},
    {"generated/hf_bert_tokcls_externaldata_op13", 2, 2, 5, "keys", "", ""},
    {"generated/hf_berttiny128_qa_op12", 2, 2, 5, "keys", "", ""},
    {"generated/hf_distilbert_cls_nofold_op11", 2, 2, 5, "keys", "", ""},
    {"generated/hf_distilbert_tokcls_op12", 2, 2, 5, "keys", "", ""},
    {"generated/hf_electra_default_op11", 2, 2, 5, "keys", "", ""},
    {"generated/hf_minilm6_default_op12", 6, 6, 13, "keys", "", ""},
    {"generated/hf_roberta_cls_op13", 2, 2, 5, "keys", "", ""},
    {"generated/ort_basic_bert_qa", 2, 2, 5, "keys", "", ""},
    {"generated/ort_extended_bert_cls", 2, 2, 5, "keys", "", ""},
    {"generated/seed_literal_bert_qa_op11", 2, 2, 5, "keys", "", ""},
};

// Requests that fill a batch of two or three rows in both forms, one of them across a row in form
// A.
std::vector<int64_t> lengths_for(const Shape& shape) {
  const int64_t length = shape[1];
  std::vector<int64_t> lengths = {length / 2, length / 2 - 1, length / 2 + 1};
  if (shape[0] == 3) lengths.insert(lengths.end(), {1, length / 4, length / 2 + 2});
  return lengths;
}

Expected<Graph> import_model(const Model& model) {
  const std::string path = *shared_folder() / "models" / model.path / "model.onnx";
  std::map<std::string, Shape> shapes;
  for (const char* name : {"input_ids", "attention_mask", "token_type_ids", "position_ids"})
    shapes[name] = model.shape;
  if (std::string_view(model.mask) == "bias") shapes["attention_mask"].push_back(model.shape[1]);
  // Names that this model does not have are refused: ask it for its own.
  const std::vector<DataSet> sets = TRY(read_data_sets(std::filesystem::path(path).parent_path()));
  std::erase_if(shapes, [&](const auto& named) { return !sets[0].inputs.contains(named.first); });
  return TRY(import_onnx(path, shapes)).graph;
}

Expected<PassState> run_pipeline(Graph& graph, const Model& model, PackingForm form,
                                 bool fp16 = false) {
  PassState state;
  state.options.fp16 = fp16;
  state.options.packing = form;
  state.options.max_valid_num = 7;
  state.options.segment_max_size = model.shape[1];
  TRY(run_passes(graph, state, {}, {}, ""));
  return state;
}

class PassesOnModel : public ::testing::TestWithParam<Model> {
 protected:
  void SetUp() override {
    if (!shared_folder())
      GTEST_SKIP() << "left out: passes on real exporters' graphs, for want of the shared models";
    Expected<Graph> graph = import_model(model());
    ASSERT_TRUE(graph.ok()) << graph.error().message;
    imported_ = graph.take();
    requests_ = draw_requests(lengths_for(model().shape));
  }
  const Model& model() const { return GetParam(); }

  // The answers of every request alone in a row of its own, by output.
  std::vector<std::vector<std::vector<double>>> padded_answers() const;
  void expect_answers(const Graph& graph, const PassState& state,
                      const std::vector<int64_t>& starts) const;
  void check_form(PackingForm form, const char* refusal) const;

  Graph imported_;
  std::vector<TestRequest> requests_;
};

bool is_per_token(const Array& output, const Shape& shape) {
  const Shape& whole = output.type.shape;
  return whole.size() >= 2 && whole[1] == shape[1];
}

TEST_P(PassesOnModel, finds_every_pattern) {
  Graph graph = imported_.clone();
  const auto state = run_pipeline(graph, model(), PackingForm::None);
  ASSERT_TRUE(state.ok()) << state.error().message;
  std::map<Op, int> count;
  for (const auto& node : graph.nodes()) {
    ++count[node->op];
    if (node->is(Op::Attention)) {
      // The number that is added to hidden keys stands behind the kind: keys:-10000.
      const std::string& mask = node->string_attr("mask");
      EXPECT_EQ(mask.substr(0, mask.find(':')), model().mask);
      for (int i = 0; i < 3; ++i) EXPECT_TRUE(node->in[i]->is(Op::Slice)) << "qkv is not merged";
    }
  }
  EXPECT_EQ(count[Op::Attention], model().attentions);
  EXPECT_EQ(count[Op::Gelu], model().gelus);
  EXPECT_EQ(count[Op::LayerNorm], model().layer_norms);
  for (Op left : {Op::Erf, Op::Pow, Op::Sqrt, Op::ReduceSum, Op::Softmax, Op::Transpose, Op::Div})
    EXPECT_EQ(count[left], 0) << info(left).text << " is left over";
}

TEST_P(PassesOnModel, keeps_the_meaning) {
  Graph graph = imported_.clone();
  const auto state = run_pipeline(graph, model(), PackingForm::None);
  ASSERT_TRUE(state.ok()) << state.error().message;
  const Inputs inputs = padded_inputs(imported_, requests_, 0);
  const auto before = interpret(imported_, inputs), after = interpret(graph, inputs);
  ASSERT_TRUE(before.ok() && after.ok());
  Array mask = inputs.at("attention_mask");
  if (mask.type.shape.size() == 3) mask = inputs.at("input_ids");  // no id is 0 but padding
  for (size_t i = 0; i < before->size(); ++i) {
    const Array& wanted = (*before)[i];
    const bool per_token = is_per_token(wanted, model().shape);
    EXPECT_EQ(difference((*after)[i], wanted, per_token ? &mask : nullptr, {1e-6, 1e-6, 0}), "");
  }
}

TEST_P(PassesOnModel, f16_is_near) {
  Graph graph = imported_.clone();
  const auto state = run_pipeline(graph, model(), PackingForm::None, true);
  ASSERT_TRUE(state.ok()) << state.error().message;
  for (const auto& node : graph.nodes()) {
    const bool inside = !node->is(Op::Input) && !graph.is_output(node.get());
    EXPECT_FALSE(inside && node->type.dtype == DType::F32) << node->name;
  }
  const Inputs inputs = padded_inputs(imported_, requests_, 0);
  const auto before = interpret(imported_, inputs), after = interpret(graph, inputs);
  ASSERT_TRUE(before.ok() && after.ok());
  const Array& mask = inputs.at("input_ids");
  for (size_t i = 0; i < before->size(); ++i) {
    const bool per_token = is_per_token((*before)[i], model().shape);
    EXPECT_EQ(difference((*after)[i], (*before)[i], per_token ? &mask : nullptr, {1e-3, 0.03, 0}),
              "");
  }
}

std::vector<std::vector<std::vector<double>>> PassesOnModel::padded_answers() const {
  std::vector<std::vector<std::vector<double>>> answers(imported_.outputs.size());
  const size_t rows = model().shape[0];
  for (size_t first = 0; first < requests_.size(); first += rows) {
    const auto outputs = interpret(imported_, padded_inputs(imported_, requests_, first));
    EXPECT_TRUE(outputs.ok());
    for (size_t o = 0; o < outputs->size(); ++o)
      for (size_t row = 0; row < rows && first + row < requests_.size(); ++row) {
        const Array& output = (*outputs)[o];
        const int64_t length = model().shape[1];
        answers[o].push_back(is_per_token(output, model().shape)
                                 ? rows_of(output, 2, row * length, requests_[first + row].length())
                                 : rows_of(output, 1, row, 1));
      }
  }
  return answers;
}

void PassesOnModel::expect_answers(const Graph& graph, const PassState& state,
                                   const std::vector<int64_t>& starts) const {
  const auto outputs = interpret(graph, packed_inputs(graph, state, requests_, starts));
  ASSERT_TRUE(outputs.ok()) << outputs.error().message;
  const auto wanted = padded_answers();
  for (size_t o = 0; o < outputs->size(); ++o) {
    const bool one_row = state.packing.per_request_outputs.contains(graph.outputs[o].name);
    for (size_t i = 0; i < requests_.size(); ++i) {
      const int64_t start = state.options.packing == PackingForm::A
                                ? static_cast<int64_t>(i) * state.options.segment_max_size
                                : starts[i];
      const std::vector<double> got = one_row
                                          ? rows_of((*outputs)[o], 1, static_cast<int64_t>(i), 1)
                                          : rows_of((*outputs)[o], 2, start, requests_[i].length());
      ASSERT_EQ(got.size(), wanted[o][i].size());
      for (size_t k = 0; k < got.size(); ++k)
        EXPECT_NEAR(got[k], wanted[o][i][k], 2e-6 * (1 + std::abs(wanted[o][i][k])))
            << "output " << graph.outputs[o].name << " of request " << i;
    }
  }
}

void PassesOnModel::check_form(PackingForm form, const char* refusal) const {
  Graph graph = imported_.clone();
  const auto state = run_pipeline(graph, model(), form);
  if (refusal[0] != '\0') {
    ASSERT_FALSE(state.ok());
    EXPECT_THAT(state.error().message, HasSubstr(refusal));
    EXPECT_THAT(state.error().message, HasSubstr("node '/"));
    return;
  }
  ASSERT_TRUE(state.ok()) << state.error().message;
  EXPECT_EQ(state->packing.ids_input, "input_ids");
  EXPECT_EQ(state->packing.mask_input, "attention_mask");
  EXPECT_EQ(state->packing.position_input, "position_ids");
  expect_answers(graph, *state,
                 form == PackingForm::A ? starts_end_to_end(requests_)
                                        : starts_in_rows(requests_, model().shape[1]));
}

TEST_P(PassesOnModel, form_a_answers_each_request_as_alone) {
  check_form(PackingForm::A, model().refuses_a);
}
TEST_P(PassesOnModel, form_b_answers_each_request_as_alone) {
  check_form(PackingForm::B, model().refuses_b);
}

std::string model_name(const ::testing::TestParamInfo<Model>& info) {
  return std::filesystem::path(info.param.path).filename();
}
INSTANTIATE_TEST_SUITE_P(, PassesOnModel, ::testing::ValuesIn(kModels), model_name);

}  // namespace
}  // namespace tessera::test
