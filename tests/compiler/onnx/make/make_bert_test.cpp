// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>

#include "compiler/onnx/make/make_model.h"
#include "ir/interpreter.h"
#include "tests/compiler/onnx/builder.h"
#include "tests/helpers/paths.h"

namespace tessera::test {
namespace {

using ::testing::HasSubstr;

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Everything but the weights: nodes, wiring, attributes, shapes and names of tensors.
std::string structure(::onnx::ModelProto model) {
  std::map<std::string, std::string> names;  // of values that nodes make: by their maker
  for (auto& node : *model.mutable_graph()->mutable_node())
    for (int i = 0; i < node.output_size(); ++i)
      if (!node.output(i).ends_with("_logits"))
        names[node.output(i)] = node.name() + ":" + std::to_string(i);
  for (auto& node : *model.mutable_graph()->mutable_node()) {
    for (auto* list : {node.mutable_input(), node.mutable_output()})
      for (std::string& name : *list)
        if (names.contains(name)) name = names[name];
  }
  for (auto& tensor : *model.mutable_graph()->mutable_initializer()) tensor.clear_raw_data();
  model.mutable_graph()->clear_name();
  model.mutable_graph()->clear_doc_string();
  model.mutable_graph()->clear_value_info();
  return model.graph().SerializeAsString();
}

::onnx::ModelProto parsed(const std::string& path) {
  ::onnx::ModelProto model;
  EXPECT_TRUE(model.ParseFromString(bytes_of(path)));
  return model;
}

// The nodes that PopRT's packing chapter removes, by these names.
const std::set<std::string>& chapter_names() {
  static const std::set<std::string> names = {"Shape_7",     "Constant_8", "Gather_9",
                                              "Constant_10", "Add_11",     "Unsqueeze_12",
                                              "Constant_13", "Slice_14"};
  return names;
}

// Without the nodes that slice the positions, 7 to 14, which exporters spell in different ways, and
// the lists that they slice by.
::onnx::ModelProto without_slicing(::onnx::ModelProto model) {
  auto* nodes = model.mutable_graph()->mutable_node();
  nodes->DeleteSubrange(7, 8);
  auto* weights = model.mutable_graph()->mutable_initializer();
  weights->erase(
      std::remove_if(weights->begin(), weights->end(),
                     [](const auto& tensor) { return tensor.name().starts_with("onnx::Slice_"); }),
      weights->end());
  for (auto& node : *nodes)
    if (node.name() == "Gather_18") node.set_input(1, "positions");
  return model;
}

TEST(MakeBert, writes_the_graph_that_the_hugging_face_exporter_writes) {
  const TempFolder folder;
  ASSERT_TRUE(make_model({2, 64, 4, 128, 512, 128, 1}, folder / "m.onnx").ok());
  const std::string exported =
      tessera::test::source_dir() + "/tests/data/hf_bert_qa_op11_oldnames/model.onnx";
  EXPECT_TRUE(structure(without_slicing(parsed(folder / "m.onnx"))) ==
              structure(without_slicing(parsed(exported))));
}

TEST(MakeBert, the_chapters_first_step_finds_its_nodes_and_leaves_the_same_model) {
  const TempFolder folder;
  ASSERT_TRUE(make_model(*make_model_preset("tiny"), folder / "m.onnx").ok());
  ::onnx::ModelProto model = parsed(folder / "m.onnx");
  auto* nodes = model.mutable_graph()->mutable_node();
  const auto is_removed = [](const auto& node) { return chapter_names().contains(node.name()); };
  EXPECT_EQ(std::count_if(nodes->begin(), nodes->end(), is_removed), 8);
  nodes->erase(std::remove_if(nodes->begin(), nodes->end(), is_removed), nodes->end());
  auto* positions = model.mutable_graph()->add_input();
  *positions = model.graph().input(0);
  positions->set_name("position_ids");
  for (auto& node : *nodes)
    if (node.name() == "Gather_18") node.set_input(1, "position_ids");
  std::ofstream(folder / "p.onnx", std::ios::binary) << model.SerializeAsString();

  const auto before = import_onnx(folder / "m.onnx", given("input_ids", {2, 5}));
  const auto after = import_onnx(folder / "p.onnx", given("input_ids", {2, 5}));
  ASSERT_TRUE(before.ok());
  ASSERT_TRUE(after.ok()) << after.error().message;
  const Array ids{
      {DType::I32, {2, 5}},
      {3, 1, 4, 1, 5, 9, 2, 6, 5, 3}
  };
  const Array ones{ids.type, std::vector<double>(10, 1)};
  std::map<std::string, Array> inputs = {
      {"input_ids",      ids },
      {"attention_mask", ones},
      {"token_type_ids", ones}
  };
  const std::vector<Array> expected = *interpret(before->graph, inputs);
  inputs["position_ids"] = Array{
      ids.type, {0, 1, 2, 3, 4, 0, 1, 2, 3, 4}
  };
  EXPECT_EQ((*interpret(after->graph, inputs))[0].data, expected[0].data);
}

TEST(MakeBert, equal_options_give_equal_bytes_and_another_seed_others) {
  const TempFolder folder;
  MakeModelOptions options = *make_model_preset("tiny");
  ASSERT_TRUE(make_model(options, folder / "a.onnx").ok());
  ASSERT_TRUE(make_model(options, folder / "b.onnx").ok());
  options.seed += 1;
  ASSERT_TRUE(make_model(options, folder / "c.onnx").ok());
  EXPECT_EQ(bytes_of(folder / "a.onnx"), bytes_of(folder / "b.onnx"));
  EXPECT_NE(bytes_of(folder / "a.onnx"), bytes_of(folder / "c.onnx"));
}

TEST(MakeBert, weights_are_the_same_on_every_host) {
  const TempFolder folder;
  ASSERT_TRUE(make_model(*make_model_preset("tiny"), folder / "m.onnx").ok());
  const ::onnx::ModelProto model = parsed(folder / "m.onnx");
  for (const auto& tensor : model.graph().initializer()) {
    if (tensor.name() != "bert.embeddings.word_embeddings.weight") continue;
    float first[3];  // as every build must write them
    std::memcpy(first, tensor.raw_data().data(), sizeof first);
    EXPECT_THAT(first, ::testing::ElementsAre(0x1.fe87d8p-6f, -0x1.b1ee42p-7f, -0x1.77632cp-7f));
  }
}

struct Spread {
  double mean = 0, deviation = 0;
};
Spread spread_of(const std::vector<double>& values) {
  Spread spread;
  for (const double value : values) spread.mean += value / static_cast<double>(values.size());
  for (const double value : values)
    spread.deviation += std::pow(value - spread.mean, 2) / static_cast<double>(values.size());
  spread.deviation = std::sqrt(spread.deviation);
  return spread;
}

// The needs of a test of the whole path: a bug must move the answers by more than rounding does.
class TinyBert : public ::testing::Test {
 protected:
  std::vector<Array> answers(bool mask, bool types, bool positions) {
    const TempFolder folder;
    EXPECT_TRUE(make_model(*make_model_preset("tiny"), folder / "m.onnx").ok());
    const auto model = import_onnx(folder / "m.onnx", given("input_ids", {4, 16}));
    EXPECT_TRUE(model.ok());
    const TensorType type{
        DType::I32, {4, 16}
    };
    Array ids{type, {}}, seen{type, {}}, kinds{type, {}};
    for (int i = 0; i < 64; ++i) {
      const int column = positions ? i % 16 : 15 - i % 16;
      ids.data.push_back((i / 16 * 31 + column * 7) % 100);
      seen.data.push_back(mask && i % 16 >= 12 ? 0 : 1);
      kinds.data.push_back(types && i % 16 >= 6 ? 1 : 0);
    }
    const std::map<std::string, Array> inputs = {
        {"input_ids",      ids  },
        {"attention_mask", seen },
        {"token_type_ids", kinds}
    };
    return *interpret(model->graph, inputs);
  }
  static double distance(const Array& a, const Array& b) {
    double most = 0;
    for (size_t i = 0; i < a.data.size(); ++i)
      most = std::max(most, std::abs(a.data[i] - b.data[i]));
    return most;
  }
};

TEST_F(TinyBert, answers_spread_as_a_trained_models) {
  for (const Array& logits : answers(true, true, true)) {
    const Spread spread = spread_of(logits.data);
    EXPECT_GT(spread.deviation, 0.2);
    EXPECT_LT(spread.deviation, 2);
  }
}

TEST_F(TinyBert, answers_depend_on_mask_and_types) {
  const Array all = answers(true, true, true)[0];
  EXPECT_GT(distance(all, answers(false, true, true)[0]), 0.05);
  EXPECT_GT(distance(all, answers(true, false, true)[0]), 0.05);
}

TEST_F(TinyBert, answers_depend_on_positions) {
  // The same tokens in reverse: without positions the answers would be the same in reverse.
  const Array there = answers(false, false, true)[0];
  Array back = answers(false, false, false)[0];
  for (int row = 0; row < 4; ++row)
    std::reverse(back.data.begin() + row * 16, back.data.begin() + (row + 1) * 16);
  EXPECT_GT(distance(there, back), 0.05);
}

TEST(MakeBert, presets_are_the_published_sizes) {
  EXPECT_EQ(make_model_preset("base")->hidden, 768);
  EXPECT_EQ(make_model_preset("large")->layers, 24);
  EXPECT_EQ(make_model_preset("mini")->hidden, 256);
  EXPECT_EQ(make_model_preset("huge").error().message,
            "make-model: preset is 'huge', must be tiny, mini, minilm, base, large, albert, vit or "
            "roformer-small");
}

TEST(MakeBert, sizes_that_do_not_fit_are_usage_errors) {
  const TempFolder folder;
  const auto message = [&](const MakeModelOptions& options) {
    const auto made = make_model(options, folder / "m.onnx");
    return made.ok() ? "" : made.error().message;
  };
  EXPECT_EQ(message({2, 30, 4, 64, 100, 64}),
            "make-model: hidden is 30 and heads is 4, which must divide it");
  EXPECT_EQ(message({0, 32, 4, 64, 100, 64}), "make-model: layers is 0, must be from 1 to 2^24");
  EXPECT_THAT(message({48, 4096, 32, 16384, 50000, 512}), HasSubstr("must be of less than 2 GiB"));
  EXPECT_FALSE(std::filesystem::exists(folder / "m.onnx"));
}

// Position 0 is turned by no angle, position 1's first pair by one radian.
TEST(MakeRoformer, turns_queries_and_keys_by_position) {
  const TempFolder folder;
  MakeModelOptions options{1, 8, 2, 8, 10, 16};
  options.family = ModelFamily::RoFormerV2;
  ASSERT_TRUE(make_model(options, folder / "m.onnx").ok());
  const auto model = import_onnx(folder / "m.onnx", {
                                                        {"input_ids", {3, 5}}
  });
  ASSERT_TRUE(model.ok()) << model.error().message;
  ASSERT_EQ(model->graph.outputs.size(), 1u);
  EXPECT_EQ(model->graph.outputs[0].node->type, (TensorType{
                                                    DType::F32, {3, 2}
  }));
  int tables = 0;
  for (const auto& node : model->graph.nodes()) {
    if (!node->is(Op::Constant) || elements(node->type.shape) != 5 * 2) continue;
    const Array values = to_array(node->value);
    if (std::abs(values.data[2] - std::sin(1.0)) < 1e-6) {
      EXPECT_EQ(values.data[0], 0);
      ++tables;
    }
    if (std::abs(values.data[2] - std::cos(1.0)) < 1e-6) {
      EXPECT_EQ(values.data[0], 1);
      ++tables;
    }
  }
  EXPECT_EQ(tables, 2);
}

TEST(MakeRoformer, turns_whole_pairs_only) {
  MakeModelOptions options{1, 6, 2, 8, 10, 16};
  options.family = ModelFamily::RoFormerV2;
  EXPECT_EQ(make_model(options, "nowhere.onnx").error().message,
            "make-model: hidden over heads is 3, must be even to rotate pairs");
}

}  // namespace
}  // namespace tessera::test
