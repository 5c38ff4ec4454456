// SPDX-License-Identifier: Apache-2.0
// Rows of a batch that hold no request take no time, nor do the places of requests that are not
// there, nor cells behind the last used one of a first row; those that are have the bits that they
// have in a whole batch.
#include "executor/used_parts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <random>

#include "compiler/onnx/make/make_model.h"
#include "executor/direct_steps.h"
#include "onnx.pb.h"
#include "program/target.h"
#include "support/limits.h"
#include "tests/e2e/build.h"
#include "tests/helpers/paths.h"

namespace tessera {
namespace {

constexpr int64_t kRows = 8, kLength = 16;

struct Case {
  const char* name;
  PackingForm form;
  Precision precision;
  const char* model = "";  // of tests/data; "": a tiny BERT for questions
};
void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

// In its mask the BERT adds 1 for what is seen, and a low number for what is hidden: a bias of
// attention, which no mask of keys can stand for.
constexpr const char* kBias = "bias";

std::string bert_with_a_bias() {
  onnx::ModelProto model;
  std::ifstream file(e2e::tiny_bert(), std::ios::binary);
  EXPECT_TRUE(model.ParseFromIstream(&file));
  auto& nodes = *model.mutable_graph()->mutable_node();
  const auto inverse = std::ranges::find(nodes, "Sub", &onnx::NodeProto::op_type);
  EXPECT_NE(inverse, nodes.end());
  const std::string one = inverse->input(0), mask = std::next(inverse, 2)->output(0);
  EXPECT_EQ(std::next(inverse, 2)->op_type(), "Mul");  // behind its constant
  std::next(inverse, 2)->set_output(0, "without_1");
  onnx::NodeProto& add = *nodes.Add();
  add.set_op_type("Add");
  add.set_name("bias");
  add.add_input(one);
  add.add_input("without_1");
  add.add_output(mask);
  std::rotate(std::next(inverse, 3), std::prev(nodes.end()), nodes.end());
  const std::string path = e2e::scratch_folder() + "/bias.onnx";
  std::ofstream(path, std::ios::binary) << model.SerializeAsString();
  return path;
}

std::string path_of(const std::string& model) {
  if (model == kBias) return bert_with_a_bias();
  return model.empty() ? e2e::tiny_bert()
                       : test::source_dir() + "/tests/data/" + model + "/model.onnx";
}

class UsedRows : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    CompileOptions options = e2e::options_for(kRows, kLength, GetParam().precision);
    if (GetParam().form == PackingForm::A) options = e2e::form_a(options, 2 * kRows, kLength);
    if (GetParam().form == PackingForm::B) options = e2e::form_b(options);
    const std::string given = GetParam().model;
    if (GetParam().form == PackingForm::B && !given.empty())
      options.pack_args = PackArgs{2 * kRows, 0};
    executable_ = e2e::build(path_of(given), options);
    runner_ = e2e::load(executable_, {.threads = 2, .small_pieces = true});
  }

  // A request in each of the first rows, which fills it but for the last; zeros behind them.
  std::map<std::string, std::vector<int32_t>> inputs_of(int64_t cells, uint32_t seed) const {
    std::mt19937 random(seed);
    std::map<std::string, std::vector<int32_t>> inputs;
    for (const Anchor& anchor : executable_->metadata.anchors) {
      if (anchor.kind != AnchorKind::Input) continue;
      std::vector<int32_t>& values = inputs[anchor.name];
      values.resize(static_cast<size_t>(elements(anchor.shape)));
      if (anchor.name == executable_->metadata.packing.unpack_info_input) {
        const int64_t columns = anchor.shape[1];
        for (int64_t i = 0; i * kLength < cells; ++i) {
          values[static_cast<size_t>(i * columns)] = static_cast<int32_t>(i * kLength);
          values[static_cast<size_t>(i * columns + columns - 1)] =
              static_cast<int32_t>(std::min(kLength, cells - i * kLength));
        }
        continue;
      }
      for (int64_t i = 0; i < cells; ++i) {
        int32_t& value = values[static_cast<size_t>(i)];
        if (anchor.name.find("mask") != std::string::npos)
          value = 1;
        else if (anchor.name.find("position") != std::string::npos)
          value = i % kLength;
        else
          value = static_cast<int32_t>(random() % (anchor.name == "input_ids" ? 100 : 2));
      }
    }
    return inputs;
  }

  std::vector<std::vector<std::byte>> run(int64_t cells, uint32_t seed, bool say_so) {
    const auto inputs = inputs_of(cells, seed);
    InputViews in;
    OutputViews out;
    std::vector<std::vector<std::byte>> answers;
    answers.reserve(executable_->metadata.anchors.size());
    for (const Anchor& anchor : executable_->metadata.anchors) {
      if (anchor.kind == AnchorKind::Input) {
        const std::span<const int32_t> values(inputs.at(anchor.name));
        in[anchor.name] = {DType::I32, false, anchor.shape, std::as_bytes(values)};
        continue;
      }
      const int64_t bytes = elements(anchor.shape) * size_of(anchor.dtype);
      answers.emplace_back(static_cast<size_t>(bytes), std::byte{0x55});
      out[anchor.name] = {anchor.dtype, anchor.shape, answers.back()};
    }
    UsedCells used;
    if (say_so) {
      used.resize(static_cast<size_t>(kRows * kLength));
      std::fill_n(used.begin(), cells, true);
    }
    const Status ran = runner_->run(in, out, used);
    EXPECT_TRUE(ran.ok()) << ran.error().message;
    return answers;
  }

  // Rows of the batch, or places of requests.
  int64_t places_of_output(size_t output) const {
    std::vector<int64_t> firsts;
    for (const Anchor& anchor : executable_->metadata.anchors)
      if (anchor.kind == AnchorKind::Output) firsts.push_back(anchor.shape[0]);
    return firsts[output];
  }

  std::shared_ptr<const Executable> executable_;
  std::shared_ptr<ModelRunner> runner_;
};

// The least of the numbers that a run may compute.
int64_t computed(int64_t used, int64_t all) {
  const std::vector<int64_t> counts = part_counts(all);
  return *std::ranges::lower_bound(counts, used);
}

TEST_P(UsedRows, are_answered_as_in_a_whole_batch_and_the_others_are_zeros) {
  run(kRows * kLength, 7, false);  // an earlier batch, which must not be seen
  std::vector<int64_t> cells;
  for (int64_t c = 1; c < kLength; ++c) cells.push_back(c);
  for (int64_t r = 1; r <= kRows; ++r) cells.push_back(r * kLength);
  cells.push_back(kLength + 1);
  for (const int64_t used_cells : cells) {
    const int64_t rows = (used_cells + kLength - 1) / kLength;
    const auto whole = run(used_cells, 1, false), used = run(used_cells, 1, true);
    for (size_t i = 0; i < whole.size(); ++i) {
      const int64_t all = places_of_output(i);
      const bool is_by_cell = all == kRows;
      const auto each =
          static_cast<std::ptrdiff_t>(whole[i].size()) / (is_by_cell ? kRows * kLength : all);
      const int64_t answered = is_by_cell ? used_cells : rows;
      EXPECT_TRUE(std::equal(whole[i].begin(), whole[i].begin() + answered * each, used[i].begin()))
          << used_cells;
      const int64_t made = !is_by_cell ? computed(rows, all)
                           : rows == 1 ? computed(used_cells, kLength)
                                       : computed(rows, kRows) * kLength;
      const auto behind = used[i].begin() + made * each;
      EXPECT_TRUE(std::all_of(behind, used[i].end(), [](std::byte b) { return b == std::byte{0}; }))
          << used_cells;
    }
  }
}

TEST_P(UsedRows, let_all_supersteps_stop_early) {
  const Program& program = executable_->program;
  const auto batch = batch_parts_of(*executable_);
  ASSERT_TRUE(batch);
  Budget memory({}, &Limits::memory);
  const auto joined = join_steps(program, Deadline(Limits{}), memory);
  ASSERT_TRUE(joined.ok()) << joined.error().message;
  std::vector<WholeStep> steps;
  for (const DirectStep& step : *joined) steps.push_back({&step.vertices});
  const std::vector<StepStops> found = short_steps(*executable_, *batch, steps);
  const bool takes_requests_apart = GetParam().form == PackingForm::A || *GetParam().model != '\0';
  int64_t of_requests = 0;
  for (size_t s = 0; s < found.size(); ++s) {
    const Superstep& step = program.supersteps[(*joined)[s].superstep];
    const auto stops_by = [&](PartKind kind) {
      return !found[s][static_cast<size_t>(kind)].axes.empty();
    };
    EXPECT_NE(stops_by(PartKind::Rows), stops_by(PartKind::Requests)) << step.name;
    EXPECT_EQ(stops_by(PartKind::Cells), stops_by(PartKind::Rows)) << step.name;
    if (stops_by(PartKind::Requests)) ++of_requests;
  }
  EXPECT_EQ(of_requests > 0, takes_requests_apart);
}

INSTANTIATE_TEST_SUITE_P(
    , UsedRows,
    ::testing::Values(Case{"padded", PackingForm::None, Precision::Fp32},
                      Case{"padded_fp16", PackingForm::None, Precision::Fp16},
                      Case{"form_a", PackingForm::A, Precision::Fp32},
                      Case{"form_b", PackingForm::B, Precision::Fp32},
                      Case{"form_b_fp16", PackingForm::B, Precision::Fp16},
                      Case{"class_a", PackingForm::A, Precision::Fp32, "hf_roberta_cls_op13"},
                      Case{"class_b", PackingForm::B, Precision::Fp32, "hf_roberta_cls_op13"}),
    [](const auto& info) { return std::string(info.param.name); });

// A bias of zeros behind a request would show what is there.
class UsedCellsOfABias : public UsedRows {};

TEST_P(UsedCellsOfABias, are_answered_as_in_a_whole_batch) {
  for (int64_t cells = 1; cells <= kLength; ++cells) {
    const auto whole = run(cells, 1, false), used = run(cells, 1, true);
    for (size_t i = 0; i < whole.size(); ++i) {
      const auto each = std::ssize(whole[i]) / (kRows * kLength);
      EXPECT_TRUE(std::equal(whole[i].begin(), whole[i].begin() + cells * each, used[i].begin()))
          << cells;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, UsedCellsOfABias,
                         ::testing::Values(Case{"fp32", PackingForm::None, Precision::Fp32, kBias},
                                           Case{"fp16", PackingForm::None, Precision::Fp16, kBias}),
                         [](const auto& info) { return std::string(info.param.name); });

// Pieces of fewer rows can be wider than those of all, and need more scratch.
TEST(UsedRowsOfAModel, have_the_scratch_that_they_need) {
  MakeModelOptions wide;
  wide.layers = 1;
  wide.hidden = 384;
  wide.heads = 12;
  wide.ffn = 1536;
  wide.vocab = 100;
  const std::string model = e2e::scratch_folder() + "/wide.onnx";
  ASSERT_TRUE(make_model(wide, model));
  constexpr int64_t kMany = 3, kLong = 96;  // 288 rows are cut to 144 each, and 192 are one piece
  CompileOptions options = e2e::form_b(e2e::options_for(kMany, kLong, Precision::Fp16));
  options.target.name = "roomy";
  options.target.tiles = 1472;
  options.target.bytes_per_tile = int64_t{1} << 31;
  const auto runner = e2e::load(e2e::build(model, options), {.threads = 2});
  const std::vector<int32_t> ones(kMany * kLong, 1);
  InputViews in;
  OutputViews out;
  std::vector<std::vector<std::byte>> answers(runner->executable().metadata.anchors.size());
  for (size_t i = 0; i < answers.size(); ++i) {
    const Anchor& anchor = runner->executable().metadata.anchors[i];
    if (anchor.kind == AnchorKind::Input) {
      in[anchor.name] = {DType::I32, false, anchor.shape, std::as_bytes(std::span(ones))};
      continue;
    }
    answers[i].resize(static_cast<size_t>(elements(anchor.shape) * size_of(anchor.dtype)));
    out[anchor.name] = {anchor.dtype, anchor.shape, answers[i]};
  }
  for (const int64_t rows : part_counts(kMany)) {
    UsedCells used(kMany * kLong);
    std::fill_n(used.begin(), rows * kLong, true);
    const Status ran = runner->run(in, out, used);
    EXPECT_TRUE(ran.ok()) << rows << ": " << ran.error().message;
  }
}

}  // namespace
}  // namespace tessera
