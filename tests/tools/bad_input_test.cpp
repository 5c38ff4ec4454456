// SPDX-License-Identifier: Apache-2.0
// A user's mistakes: each has a message that says where, what is and what must be, and the exit
// code that the documentation promises.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/tools/command_line.h"

namespace tessera::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using Words = std::vector<std::string>;

void expect_refused(const Words& words, int exit_code, const Words& said) {
  const Result result = tessera(words);
  EXPECT_EQ(result.exit_code, exit_code) << result.err;
  EXPECT_THAT(result.err, StartsWith("tessera"));
  for (const std::string& text : said) EXPECT_THAT(result.err, HasSubstr(text));
}

Words compile_words(const std::string& model, const Words& more = {}) {
  Words words = {"compile", "--input_model", model, "-o", path("refused.popef")};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

Words run_words(const std::string& executable, const std::string& inputs) {
  return {"run", executable, "--inputs", inputs};
}

TEST(BadModel, a_missing_file_is_named) {
  expect_refused(compile_words("/no/such/model.onnx"), kError,
                 {"/no/such/model.onnx", "No such file"});
}

TEST(BadModel, a_file_that_is_not_onnx_is_said_to_be_none) {
  write_file(path("text.onnx"), "this is not a model, it only has the name of one\n");
  expect_refused(compile_words(path("text.onnx")), kBadFile, {"text.onnx", "ONNX"});
}

TEST(BadModel, a_truncated_model_is_refused) {
  const std::string whole = read_file(tiny_model());
  write_file(path("truncated.onnx"), whole.substr(0, whole.size() / 2));
  expect_refused(compile_words(path("truncated.onnx"), {"--input_shape", "input_ids=4,16"}),
                 kBadFile, {"truncated.onnx"});
}

TEST(BadModel, an_unknown_op_is_named_with_its_node) {
  std::string model = read_file(tiny_model());
  for (size_t at = model.find("Softmax"); at != std::string::npos; at = model.find("Softmax", at))
    model.replace(at, 7, "Softmix");
  write_file(path("unknown_op.onnx"), model);
  expect_refused(compile_words(path("unknown_op.onnx"), {"--input_shape", "input_ids=4,16"}),
                 kError, {"unknown_op.onnx", "node 'Softm", "(Softmix)"});
}

TEST(BadModel, an_unfixed_dimension_names_the_input_the_axis_and_the_flag) {
  expect_refused(compile_words(tiny_model()), kUsage,
                 {"input 'input_ids'", "axis 0", "'batch'", "--input_shape"});
}

TEST(BadModel, a_shape_that_conflicts_with_the_model_is_refused) {
  expect_refused(compile_words(tiny_model(), {"--input_shape", "input_ids=4,16,3"}), kUsage,
                 {"input_ids", "[4,16,3]"});
}

TEST(BadModel, shapes_that_name_no_input_are_a_usage_error_that_lists_the_inputs) {
  expect_refused(compile_words(tiny_model(), {"--input_shape", "ids=4,16"}), kUsage,
                 {"ids", "input_ids", "attention_mask"});
}

TEST(BadModel, a_sequence_longer_than_the_position_table_is_refused) {
  expect_refused(compile_words(tiny_model(), {"--input_shape", "input_ids=1,65"}), kError, {"65"});
}

TEST(BadOptions, an_unknown_pass_names_the_nearest) {
  expect_refused(compile_words(tiny_model(), {"--input_shape", "input_ids=4,16", "--passes",
                                              "insert_attention_masks"}),
                 kUsage, {"insert_attention_masks", "insert_attention_mask"});
}

TEST(BadOptions, each_is_told_what_it_must_be) {
  expect_refused(compile_words(tiny_model(), {"--precision", "fp4"}), kUsage, {"fp4", "fp16"});
  expect_refused(compile_words(tiny_model(), {"--pack_args", "max_valid_num=x"}), kUsage, {"'x'"});
  expect_refused(compile_words(tiny_model(), {"--pack_args", "max_valid_num=3"}), kUsage,
                 {"segment_max_size"});
  expect_refused(compile_words(tiny_model(), {"--target", "tpu"}), kUsage, {"tpu", "c600"});
  expect_refused(compile_words(tiny_model(), {"--input_shape", "input_ids"}), kUsage, {"NAME=D,D"});
  expect_refused({"compile", "--no_such_flag"}, kUsage, {"no_such_flag"});
  expect_refused({"fly"}, kUsage, {"fly"});
}

TEST(BadInputs, a_wrong_dtype_is_named) {
  const std::string inputs = path("wrong_dtype");
  write_ints(inputs + "/attention_mask.npy", std::vector<int32_t>(64, 1), {4, 16});
  write_ints(inputs + "/token_type_ids.npy", std::vector<int32_t>(64, 0), {4, 16});
  std::string npy = read_file(padded_inputs() + "/input_ids.npy");
  npy.replace(npy.find("<i4"), 3, "<f4");
  write_file(inputs + "/input_ids.npy", npy);
  expect_refused(run_words(padded_executable(), inputs), kError, {"input_ids", "f32", "i32"});
}

TEST(BadInputs, a_wrong_shape_is_named) {
  const std::string inputs = path("wrong_shape");
  write_ints(inputs + "/input_ids.npy", std::vector<int32_t>(60, 1), {4, 15});
  write_ints(inputs + "/attention_mask.npy", std::vector<int32_t>(64, 1), {4, 16});
  write_ints(inputs + "/token_type_ids.npy", std::vector<int32_t>(64, 0), {4, 16});
  expect_refused(run_words(padded_executable(), inputs), kError, {"input_ids", "[4,15]", "[4,16]"});
}

TEST(BadInputs, a_token_id_past_the_table_is_named_with_its_place) {
  const std::string inputs = path("big_id");
  std::vector<int32_t> ids(64, 1);
  ids[3 * 16 + 7] = 100;
  write_ints(inputs + "/input_ids.npy", ids, {4, 16});
  write_ints(inputs + "/attention_mask.npy", std::vector<int32_t>(64, 1), {4, 16});
  write_ints(inputs + "/token_type_ids.npy", std::vector<int32_t>(64, 0), {4, 16});
  expect_refused(run_words(padded_executable(), inputs), kError,
                 {"input_ids", "100", "[3,7]", "0..99"});
}

TEST(BadInputs, a_missing_input_is_named) {
  const std::string inputs = path("missing");
  write_ints(inputs + "/input_ids.npy", std::vector<int32_t>(64, 1), {4, 16});
  expect_refused(run_words(padded_executable(), inputs), kError, {"attention_mask.npy"});
}

std::string one_request(const std::string& name, const std::vector<int32_t>& ids,
                        const std::vector<int32_t>& mask = {}) {
  const std::string at = path(name);
  write_ints(at + "/r0/input_ids.npy", ids, {static_cast<int64_t>(ids.size())});
  if (!mask.empty())
    write_ints(at + "/r0/attention_mask.npy", mask, {static_cast<int64_t>(mask.size())});
  return at;
}

Words request_words(const std::string& requests) {
  return {"run", packed_executable(), "--requests", requests};
}

TEST(BadRequest, one_longer_than_a_row_is_refused_by_name) {
  expect_refused(request_words(one_request("long", std::vector<int32_t>(17, 1))), kError,
                 {"request 'r0'", "17 tokens", "1..16"});
}

TEST(BadRequest, an_empty_one_is_refused_by_name) {
  expect_refused(request_words(one_request("empty", {})), kError, {"request 'r0'", "0 tokens"});
}

TEST(BadRequest, a_mask_with_a_hole_is_refused) {
  expect_refused(request_words(one_request("hole", {1, 2, 3}, {1, 0, 1})), kError,
                 {"request 'r0'", "attention_mask", "0 at 1"});
}

TEST(BadRequest, an_id_out_of_range_is_refused) {
  expect_refused(request_words(one_request("range", {1, 2, 100})), kError,
                 {"request 'r0'", "100", "0..99"});
}

TEST(BadRequest, the_others_are_answered) {
  const std::string at = one_request("mixed", std::vector<int32_t>(17, 1));
  write_ints(at + "/r1/input_ids.npy", {1, 2, 3}, {3});
  const Result result =
      tessera({"run", packed_executable(), "--requests", at, "--outputs", path("mixed_out")});
  EXPECT_EQ(result.exit_code, kError);
  EXPECT_THAT(result.out, HasSubstr("answered 1 of 2"));
  EXPECT_TRUE(exists(path("mixed_out/r1/start_logits.npy")));
}

TEST(BadRequest, more_segments_than_max_valid_num_allows_in_a_raw_batch_are_refused) {
  const std::string inputs = path("overflow");
  for (const char* name : {"input_ids", "attention_mask", "token_type_ids", "position_ids"})
    write_ints(inputs + "/" + name + ".npy", std::vector<int32_t>(64, 1), {4, 16});
  write_ints(inputs + "/unpack_info.npy", std::vector<int32_t>(12, 6), {12, 1});
  expect_refused(run_words(packed_executable(), inputs), kError, {"unpack_info", "72", "64"});
  write_ints(inputs + "/unpack_info.npy", std::vector<int32_t>(13, 1), {13, 1});
  expect_refused(run_words(packed_executable(), inputs), kError, {"unpack_info", "[13,1]"});
}

TEST(BadExecutable, a_truncated_file_is_refused) {
  const std::string whole = read_file(padded_executable());
  for (size_t size : {size_t{0}, size_t{10}, whole.size() / 3, whole.size() - 1}) {
    write_file(path("short.popef"), whole.substr(0, size));
    expect_refused(run_words(path("short.popef"), padded_inputs()), kBadFile, {"short.popef"});
  }
}

TEST(BadExecutable, a_changed_byte_is_refused) {
  const std::string whole = read_file(padded_executable());
  for (size_t i = 0; i < 25; ++i) {
    std::string changed = whole;
    changed[i * (whole.size() - 1) / 24] ^= 0x20;
    write_file(path("changed.popef"), changed);
    expect_refused(run_words(path("changed.popef"), padded_inputs()), kBadFile, {"changed.popef"});
  }
}

TEST(BadExecutable, of_another_version_says_which) {
  std::string other = read_file(padded_executable());
  const std::string version = "tessera-popef-1";
  ASSERT_NE(other.find(version), std::string::npos);
  other.replace(other.find(version), version.size(), "tessera-popef-7");
  write_file(path("other.popef"), other);
  expect_refused(run_words(path("other.popef"), padded_inputs()), kBadFile,
                 {"other.popef", "tessera-popef-7", "tessera-popef-1"});
}

TEST(BadExecutable, a_model_is_not_an_executable) {
  write_file(tiny_model() + ".popef", read_file(tiny_model()));
  for (const char* verb : {"verify", "inspect", "bench"})
    expect_refused({verb, tiny_model() + ".popef"}, kBadFile, {"tiny.onnx.popef"});
}

TEST(OutOfMemory, a_model_too_large_for_the_tiles_says_what_takes_the_room) {
  const std::string model = path("large.onnx");
  ASSERT_EQ(
      tessera({"make-model", "--preset", "tiny", "--vocab", "2000000", "-o", model}).exit_code, 0);
  const Result result = tessera({"compile", "--input_model", model, "--input_shape",
                                 "input_ids=1,16", "--target", "test", "-o", path("large.popef")});
  EXPECT_EQ(result.exit_code, kOutOfMemory) << result.err;
  EXPECT_THAT(result.err, HasSubstr("Out of memory on tile "));
  EXPECT_THAT(result.err, HasSubstr("bytes used but tiles only have"));
  EXPECT_TRUE(exists(path("large.popef"))) << "the report is written all the same";
  expect_refused({"run", path("large.popef"), "--random", "yes"}, kOutOfMemory,
                 {"Out of memory on tile "});
}

TEST(Slips, the_nearest_name_is_told) {
  expect_refused({"compil"}, kUsage, {"'compil' is not a verb; did you mean 'compile'?"});
  expect_refused({"compile", "--precison", "fp16"}, kUsage,
                 {"'--precison' is not a flag; did you mean '--precision'?"});
  EXPECT_EQ(tessera({"help", "compile"}).out, tessera({"compile", "--help"}).out);
}

TEST(Slips, what_would_be_ignored_is_refused) {
  const std::string executable = padded_executable();
  expect_refused({"run", executable, "--random", "input_ids=9,9"}, kUsage,
                 {"input_ids is [9,9], must be [4,16]"});
  expect_refused({"run", executable, "--random", "ids=4,16"}, kUsage,
                 {"there is no input 'ids', must be one of input_ids"});
  expect_refused({"run", executable, "--random", "foo"}, kUsage, {"--random: 'foo'"});
  expect_refused({"run", executable, "--random", "--threads", "-3"}, kUsage,
                 {"threads: -3, must be 0"});
  EXPECT_EQ(tessera({"run", executable, "--random", "input_ids=4,16"}).exit_code, 0);
  EXPECT_EQ(tessera({"run", executable, "--random"}).exit_code, 0);
  expect_refused({"run", executable, "--random", "--progress", "loud"}, kUsage,
                 {"--progress: 'loud', must be auto, none, plain, bar or json"});

  const std::string inputs = path("one_too_many");
  std::filesystem::copy(padded_inputs(), inputs);
  write_ints(inputs + "/positions.npy", {1}, {1});
  expect_refused(
      run_words(executable, inputs), kError,
      {"one_too_many/positions.npy: is not an input of this model, which has input_ids"});
}

// Nothing is run or compiled before the place for its results is known to be there.
TEST(Slips, a_place_that_cannot_be_written_is_told_first) {
  const std::string executable = padded_executable();
  write_file(path("a_file"), "");
  expect_refused({"run", executable, "--random", "--outputs", path("a_file")}, kError,
                 {"a_file: is not a folder"});
  expect_refused({"run", executable, "--random", "--outputs", path("a_file/within")}, kError,
                 {"a_file: is not a folder"});
  // The model is not there either, which would be told later.
  expect_refused({"compile", "-i", "none.onnx", "-o", "/no/such/folder/a.popef"}, kError,
                 {"/no/such/folder: is not there"});
  expect_refused({"convert", "-i", "none.onnx", "-o", path("")}, kError, {"is a folder"});
  expect_refused({"make-model", "-o", "/no/such/folder/a.onnx"}, kError,
                 {"/no/such/folder: is not there"});
}

TEST(Slips, a_model_where_an_executable_must_be_is_told_what_makes_one) {
  expect_refused({"bench", tiny_model()}, kBadFile, {"'tessera compile' makes one"});
}

TEST(Slips, sizes_that_do_not_go_together_stand_beside_what_failed) {
  expect_refused(
      compile_words(tiny_model(), {"--input_shape", "input_ids=4,16", "attention_mask=4,8"}),
      kError,
      {"must broadcast", "\n  perhaps because ", "'sequence', which is 16 elsewhere and 8 here"});
}

// make-model's tiny BERT has 64 positions.
TEST(Slips, rows_beyond_the_table_of_positions_are_told_how_long_they_may_be) {
  expect_refused(compile_words(tiny_model(), {"--input_shape", "input_ids=4,100"}), kError,
                 {"must broadcast", "perhaps because ", "takes 100 of the 64 in ",
                  "input_shape must give rows of at most 64 tokens"});
}

TEST(Slips, a_misspelt_command_of_a_verb_names_the_nearest) {
  expect_refused({"recompiles", "lst", "events.jsonl"}, 2,
                 {"recompiles: 'lst' is not a command; did you mean 'list'? must be list, show, "
                  "diff or advise"});
  expect_refused({"completion", "bsh"}, 2, {"'bsh'", "did you mean 'bash'?"});
  expect_refused({"text", "embd", "folder", "texts.txt"}, 2, {"did you mean 'embed'?"});
  expect_refused({"pack", "tnue", "lengths.csv"}, 2, {"did you mean 'tune'?"});
  write_file(path("tnue"), "");
  expect_refused({"pack", path("tnue")}, kBadFile, {"must be a list of lengths"});
}

}  // namespace
}  // namespace tessera::cli
