// SPDX-License-Identifier: Apache-2.0
// Rows of a batch that hold no request take no time, and those that do have the bits that they have
// in a whole batch.
#include "executor/used_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "compiler/onnx/make/make_model.h"
#include "executor/direct_steps.h"
#include "program/target.h"
#include "support/limits.h"
#include "tests/e2e/build.h"

namespace tessera {
namespace {

constexpr int64_t kRows = 8, kLength = 16;

struct Case {
  const char* name;
  PackingForm form;
  Precision precision;
};

class UsedRows : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    CompileOptions options = e2e::options_for(kRows, kLength, GetParam().precision);
    if (GetParam().form == PackingForm::A) options = e2e::form_a(options, 2 * kRows, kLength);
    if (GetParam().form == PackingForm::B) options = e2e::form_b(options);
    executable_ = e2e::build(e2e::tiny_bert(), options);
    runner_ = e2e::load(executable_, {.threads = 2, .small_pieces = true});
  }

  // Requests that fill whole rows, one in each of the first `rows`; zeros behind them.
  std::map<std::string, std::vector<int32_t>> inputs_of(int64_t rows, uint32_t seed) const {
    std::mt19937 random(seed);
    std::map<std::string, std::vector<int32_t>> inputs;
    for (const Anchor& anchor : executable_->metadata.anchors) {
      if (anchor.kind != AnchorKind::Input) continue;
      std::vector<int32_t>& values = inputs[anchor.name];
      values.resize(static_cast<size_t>(elements(anchor.shape)));
      const bool is_lengths = anchor.name == executable_->metadata.packing.unpack_info_input;
      for (int64_t i = 0; i < rows * (is_lengths ? 1 : kLength); ++i) {
        int32_t& value = values[static_cast<size_t>(i)];
        if (is_lengths)
          value = kLength;
        else if (anchor.name.find("mask") != std::string::npos)
          value = 1;
        else if (anchor.name.find("position") != std::string::npos)
          value = i % kLength;
        else
          value = static_cast<int32_t>(random() % (anchor.name == "input_ids" ? 100 : 2));
      }
    }
    return inputs;
  }

  std::vector<std::vector<std::byte>> run(int64_t rows, uint32_t seed, bool say_so) {
    const auto inputs = inputs_of(rows, seed);
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
      std::fill_n(used.begin(), rows * kLength, true);
    }
    const Status ran = runner_->run(in, out, used);
    EXPECT_TRUE(ran.ok()) << ran.error().message;
    return answers;
  }

  std::shared_ptr<const Executable> executable_;
  std::shared_ptr<ModelRunner> runner_;
};

TEST_P(UsedRows, are_answered_as_in_a_whole_batch_and_the_others_are_zeros) {
  run(kRows, 7, false);  // an earlier batch, which must not be seen
  for (int64_t rows = 1; rows <= kRows; ++rows) {
    const auto whole = run(rows, 1, false), used = run(rows, 1, true);
    for (size_t i = 0; i < whole.size(); ++i) {
      // A row's answers, and in form A a request's.
      const auto held = static_cast<std::ptrdiff_t>(
          whole[i].size() / (GetParam().form == PackingForm::A ? 2 * kRows : kRows) *
          static_cast<size_t>(rows));
      EXPECT_TRUE(std::equal(whole[i].begin(), whole[i].begin() + held, used[i].begin())) << rows;
      const std::vector<int64_t> counts = row_counts(kRows);
      const int64_t computed = *std::ranges::lower_bound(counts, rows);
      if (GetParam().form == PackingForm::A) continue;  // what no request has is nobody's
      const auto behind = used[i].begin() + held / rows * computed;
      EXPECT_TRUE(std::all_of(behind, used[i].end(), [](std::byte b) { return b == std::byte{0}; }))
          << rows;
    }
  }
}

// But for the few that take requests out of their rows and put them back.
TEST_P(UsedRows, let_nearly_all_supersteps_stop_early) {
  const Program& program = executable_->program;
  const auto batch = batch_rows_of(*executable_);
  ASSERT_TRUE(batch);
  Budget memory({}, &Limits::memory);
  const auto joined = join_steps(program, Deadline(Limits{}), memory);
  ASSERT_TRUE(joined.ok()) << joined.error().message;
  std::vector<WholeStep> steps;
  for (const DirectStep& step : *joined) steps.push_back({&step.vertices, true});
  const auto found = short_steps(program, steps, row_inputs_of(*executable_, *batch), batch->rows);
  for (size_t s = 0; s < found.size(); ++s) {
    const Superstep& step = program.supersteps[(*joined)[s].superstep];
    const std::string codelet((*joined)[s].vertices[0].codelet->name);
    const bool is_of_requests =
        GetParam().form == PackingForm::A && (codelet == "unpack" || codelet == "attention");
    EXPECT_EQ(found[s].axes.empty(), is_of_requests) << step.name << ", " << codelet;
  }
}

INSTANTIATE_TEST_SUITE_P(, UsedRows,
                         ::testing::Values(Case{"padded", PackingForm::None, Precision::Fp32},
                                           Case{"padded_fp16", PackingForm::None, Precision::Fp16},
                                           Case{"form_a", PackingForm::A, Precision::Fp32},
                                           Case{"form_b", PackingForm::B, Precision::Fp32},
                                           Case{"form_b_fp16", PackingForm::B, Precision::Fp16}),
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
  for (const int64_t rows : row_counts(kMany)) {
    UsedCells used(kMany * kLong);
    std::fill_n(used.begin(), rows * kLong, true);
    const Status ran = runner->run(in, out, used);
    EXPECT_TRUE(ran.ok()) << rows << ": " << ran.error().message;
  }
}

}  // namespace
}  // namespace tessera
