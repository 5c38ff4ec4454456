// SPDX-License-Identifier: Apache-2.0
// Small models that once gave wrong answers without a word (tests/data/cases), by the commands that
// a user gives: each request is answered as ONNX Runtime answers it alone, or refused by name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "support/npy.h"
#include "tests/helpers/paths.h"
#include "tests/tools/command_line.h"

namespace tessera::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;

std::string data(const std::string& name) {
  return test::source_dir() + "/tests/data/cases/" + name;
}

std::vector<std::string> files_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

std::vector<double> numbers(const NpyArray& array) {
  const std::string& descr = array.descr;
  std::vector<double> values;
  const auto read = [&]<class T>(T) {
    for (size_t i = 0; i + sizeof(T) <= array.bytes.size(); i += sizeof(T)) {
      T value;
      std::memcpy(&value, array.bytes.data() + i, sizeof value);
      values.push_back(static_cast<double>(value));
    }
  };
  if (descr == "<f4") read(float());
  if (descr == "<i4") read(int32_t());
  if (descr == "<i8") read(int64_t());
  EXPECT_EQ(std::ssize(values), elements(array.shape)) << descr;
  return values;
}

// Every expected output is there, of the same shape and within 1e-5.
void expect_same(const fs::path& got, const fs::path& expected) {
  for (const std::string& name : files_in(expected)) {
    SCOPED_TRACE(got / name);
    const auto a = read_npy(got / name), b = read_npy(expected / name);
    ASSERT_TRUE(a.ok()) << a.error().message;
    ASSERT_TRUE(b.ok()) << b.error().message;
    ASSERT_EQ(a->shape, b->shape);
    const std::vector<double> x = numbers(*a), y = numbers(*b);
    for (size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(x[i], y[i], 1e-5) << "at " << i;
  }
}

Result compile(const std::string& model, const std::string& shape,
               const std::vector<std::string>& flags = {}) {
  std::vector<std::string> words = {"compile",          "-i",       data(model), "-o",
                                    path("case.popef"), "--target", "test"};
  if (!shape.empty()) words.insert(words.end(), {"--input_shape", shape});
  words.insert(words.end(), flags.begin(), flags.end());
  return tessera(words);
}

Result run_inputs(const std::string& name) {
  fs::remove_all(path("outputs"));
  return tessera({"run", path("case.popef"), "--inputs", data(name) + "/inputs", "--outputs",
                  path("outputs")});
}

// The requests that are answered are right, and just those of `refused` are not.
void expect_answers(const std::string& name, const std::vector<std::string>& refused,
                    const std::string& why) {
  const std::string outputs = path("answers");
  fs::remove_all(outputs);
  const Result run = tessera(
      {"run", path("case.popef"), "--requests", data(name) + "/requests", "--outputs", outputs});
  EXPECT_EQ(run.exit_code == 0, refused.empty()) << run.err;
  for (const std::string& request : files_in(data(name) + "/expected")) {
    const bool is_refused = std::ranges::find(refused, request) != refused.end();
    if (is_refused) {
      EXPECT_FALSE(exists(outputs + "/" + request));
      EXPECT_THAT(run.err, HasSubstr("request '" + request + "'"));
    } else {
      expect_same(outputs + "/" + request, data(name) + "/expected/" + request);
    }
  }
  EXPECT_THAT(run.err, HasSubstr(why));
}

const std::vector<std::string> kFormA = {"--pack_args", "max_valid_num=8", "segment_max_size=16"};
const std::vector<std::string> kFormB = {"--passes", "insert_attention_mask"};

TEST(Cases, an_embedding_as_wide_as_a_row_is_not_cut) {
  for (const char* shape : {"input_ids=4,16", "input_ids=4,17", "input_ids=1,16"}) {
    ASSERT_EQ(compile("embedding_cut_to_request/model.onnx", shape).exit_code, 0);
    expect_answers("embedding_cut_to_request", {}, "");
  }
}

TEST(Cases, what_has_no_mask_is_answered_at_its_own_length_alone) {
  const std::vector<std::string> shorter = {"r0", "r1", "r3"};  // r2 fills its row
  ASSERT_EQ(compile("requests_padded_without_mask/mean/model.onnx", "input_ids=4,16").exit_code, 0);
  expect_answers("requests_padded_without_mask/mean", shorter, "reduces the sequence axis");
  ASSERT_EQ(compile("requests_padded_without_mask/no_mask/model.onnx", "input_ids=4,16").exit_code,
            0);
  expect_answers("requests_padded_without_mask/no_mask", shorter, "has no mask");
}

TEST(Cases, a_padding_id_in_a_packed_request_is_refused) {
  const std::string model = "padding_id_in_a_request/model.onnx", shape = "input_ids=4,16";
  for (const std::vector<std::string>& form : {kFormA, kFormB}) {
    ASSERT_EQ(compile(model, shape, form).exit_code, 0);
    expect_answers("padding_id_in_a_request", {"r0", "r1", "r2"}, "has the padding id 1 at");
  }
  ASSERT_EQ(compile(model, shape).exit_code, 0);
  expect_answers("padding_id_in_a_request", {}, "");
}

TEST(Cases, a_mask_that_is_1_where_it_hides_pads_and_packs) {
  const std::string name = "mask_that_hides", model = name + "/model.onnx";
  for (const std::vector<std::string>& form : {std::vector<std::string>(), kFormA, kFormB}) {
    ASSERT_EQ(compile(model, "input_ids=4,16", form).exit_code, 0);
    expect_answers(name, {}, "");
  }
  fs::remove_all(path("session"));
  const Result run = tessera({"run", data(model), "--inputs", data(name) + "/batch/inputs",
                              "--outputs", path("session"), "--on_recompile", "pad", "--warm_up",
                              "input_ids=4,16", "--target", "test"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  expect_same(path("session"), data(name) + "/batch/expected");
}

TEST(Cases, a_maximum_of_what_a_mask_added_to_is_padded_and_packed) {
  const std::string name = "max_pooling_by_sum";
  for (const std::vector<std::string>& form : {std::vector<std::string>(), kFormA, kFormB}) {
    ASSERT_EQ(compile(name + "/model.onnx", "input_ids=4,16", form).exit_code, 0);
    expect_answers(name, {}, "");
  }
}

// Token 9 is so large that a product of two maps of it passes 65504, where weights meet it.
TEST(Cases, what_fp16_made_infinite_is_told_by_output_and_request) {
  const std::string name = "overflow_in_fp16", model = name + "/model.onnx";
  for (std::vector<std::string> form : {std::vector<std::string>(), kFormA, kFormB}) {
    form.insert(form.end(), {"--precision", "fp16"});
    ASSERT_EQ(compile(model, "input_ids=2,16", form).exit_code, 0);
    const Result run = tessera({"run", path("case.popef"), "--requests", data(name) + "/requests"});
    EXPECT_EQ(run.exit_code, 0) << run.err;
    EXPECT_THAT(run.err,
                HasSubstr("warning: request 'r1': output 'y': 2 of 4 numbers are not finite"));
    EXPECT_THAT(run.err, Not(HasSubstr("request 'r0'")));
  }
  const auto said = HasSubstr("warning: output 'y': 4 of 16 numbers are not finite");
  ASSERT_EQ(compile(model, "input_ids=2,4", {"--precision", "fp16"}).exit_code, 0);
  EXPECT_THAT(run_inputs(name).err, said);
  EXPECT_THAT(tessera({"run", data(model), "--inputs", data(name) + "/inputs", "--precision",
                       "fp16", "--target", "test"})
                  .err,
              said);
  ASSERT_EQ(compile(model, "input_ids=2,4").exit_code, 0);
  EXPECT_THAT(run_inputs(name).err, Not(HasSubstr("not finite")));
}

TEST(Cases, a_first_batch_of_one_token_decides_nothing) {
  const std::string name = "session_pad_one_token", outputs = path("session");
  const std::vector<std::string> batches = {"0", "1", "2"};
  std::vector<std::string> order = batches;
  do {
    fs::remove_all(outputs);
    std::vector<std::string> words = {"run", data(name) + "/model.onnx", "--inputs"};
    for (const std::string& batch : order) words.push_back(data(name) + "/" + batch);
    for (const char* word : {"--outputs", outputs.c_str(), "--on_recompile", "pad"})
      words.push_back(word);
    const Result run = tessera(words);
    ASSERT_EQ(run.exit_code, 0) << run.err;
    for (size_t i = 0; i < order.size(); ++i)
      expect_same(outputs + "/" + std::to_string(i), data(name) + "/expected/" + order[i]);
  } while (std::ranges::next_permutation(order).found);
}

TEST(Cases, no_constant_is_clamped_in_fp32) {
  for (const char* name : {"fp32_constant_clamped/decay", "fp32_constant_clamped/qa"}) {
    ASSERT_EQ(compile(std::string(name) + "/model.onnx", "").exit_code, 0);
    const Result run = run_inputs(name);
    ASSERT_EQ(run.exit_code, 0) << run.err;
    expect_same(path("outputs"), data(name) + "/expected");
  }
}

TEST(Cases, an_index_past_its_table_ends_the_run_by_name) {
  for (const auto& [name, shape, node] : std::vector<std::array<std::string, 3>>{
           {"index_past_the_table/sum",       "",                "Gather_1"},
           {"index_past_the_table/float_ids", "Input-Token=1,3", "Gather"  },
           {"index_past_the_table/roberta",   "input_ids=2,32",  "Gather"  }
  }) {
    const Result compiled = compile(name + "/model.onnx", shape);
    ASSERT_EQ(compiled.exit_code, 0) << compiled.err;
    const Result run = run_inputs(name);
    EXPECT_EQ(run.exit_code, 1) << name;
    EXPECT_THAT(run.err, HasSubstr(node)) << name;
    EXPECT_FALSE(exists(path("outputs"))) << "nothing is written of a run that failed";
  }
}

TEST(Cases, an_output_that_is_an_input_keeps_its_bits) {
  ASSERT_EQ(
      compile("output_is_an_input/model.onnx", "x=2,3", {"--input_shape", "attention_mask=2,3"})
          .exit_code,
      0);
  const Result run = run_inputs("output_is_an_input");
  ASSERT_EQ(run.exit_code, 0) << run.err;
  expect_same(path("outputs"), data("output_is_an_input") + "/expected");
}

}  // namespace
}  // namespace tessera::cli
