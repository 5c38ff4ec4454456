// SPDX-License-Identifier: Apache-2.0
// tessera run with .npz archives and standard streams in place of folders.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "support/npy.h"
#include "tests/tools/command_line.h"
#include "tools/files/npz.h"

namespace tessera::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using tools::NpzArrays;

// The arrays of a folder, as an archive has them.
NpzArrays arrays_below(const std::string& folder) {
  NpzArrays arrays;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.path().extension() == ".npy")
      arrays[fs::relative(entry.path(), folder)] = read_npy(entry.path()).take();
  return arrays;
}

std::string archive_of(const std::string& folder, const std::string& name) {
  write_file(path(name), tools::npz_of(arrays_below(folder)).take());
  return path(name);
}

NpzArrays read(const std::string& archive) {
  auto arrays = tools::read_npz(archive, int64_t{1} << 30);
  EXPECT_TRUE(arrays.ok()) << (arrays.ok() ? "" : arrays.error().message);
  return arrays.ok() ? arrays.take() : NpzArrays();
}

void expect_equal(const NpzArrays& a, const NpzArrays& b) {
  ASSERT_EQ(a.size(), b.size());
  EXPECT_FALSE(a.empty());
  for (const auto& [name, array] : a) {
    ASSERT_TRUE(b.contains(name)) << name;
    EXPECT_EQ(array.descr, b.at(name).descr) << name;
    EXPECT_EQ(array.shape, b.at(name).shape) << name;
    EXPECT_EQ(array.bytes, b.at(name).bytes) << name;
  }
}

TEST(Archives, a_batch_is_read_and_written_as_a_folder_is) {
  const std::string batch = archive_of(padded_inputs(), "batch.npz");
  const Result folder = tessera(
      {"run", padded_executable(), "--inputs", padded_inputs(), "--outputs", path("of_folder")});
  ASSERT_EQ(folder.exit_code, 0) << folder.err;
  const Result archive =
      tessera({"run", padded_executable(), "--inputs", batch, "--outputs", path("of_archive.npz")});
  ASSERT_EQ(archive.exit_code, 0) << archive.err;
  expect_equal(read(path("of_archive.npz")), arrays_below(path("of_folder")));
}

TEST(Archives, several_batches_have_folders_in_an_archive) {
  const std::string batch = archive_of(padded_inputs(), "batch2.npz");
  const Result result = tessera({"run", padded_executable(), "--inputs", batch, padded_inputs(),
                                 "--outputs", path("both.npz")});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const NpzArrays both = read(path("both.npz"));
  EXPECT_EQ(both.at("0/start_logits.npy").bytes, both.at("1/start_logits.npy").bytes);
}

TEST(Archives, a_model_takes_its_shapes_from_an_archive) {
  const std::string batch = archive_of(padded_inputs(), "batch3.npz");
  const Result result = tessera(
      {"run", tiny_model(), "--target", "test", "--inputs", batch, "--outputs", path("model.npz")});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(read(path("model.npz")).at("start_logits.npy").shape, (Shape{4, 16}));
}

TEST(Archives, requests_come_from_one_and_answers_go_to_one) {
  ASSERT_EQ(
      tessera({"requests", packed_executable(), "--random", "9", "-o", path("nine")}).exit_code, 0);
  const std::string requests = archive_of(path("nine"), "nine.npz");
  for (const std::string& from : {path("nine"), requests}) {
    const Result result = tessera(
        {"run", packed_executable(), "--requests", from, "--outputs", path("nine_answers.npz")});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    const NpzArrays answers = read(path("nine_answers.npz"));
    EXPECT_EQ(answers.size(), 18u);  // two outputs each
    EXPECT_TRUE(answers.contains("8/end_logits.npy"));
  }
}

TEST(Archives, standard_streams_are_archives) {
  const std::string batch = archive_of(padded_inputs(), "batch4.npz");
  ASSERT_EQ(tessera({"run", padded_executable(), "--inputs", batch, "--outputs", path("file.npz")})
                .exit_code,
            0);
  Surroundings piped;
  piped.in = batch;
  piped.out = path("streamed.npz");
  const Result result =
      tessera_in(piped, {"run", padded_executable(), "--inputs", "-", "--outputs", "-"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("ran in"));
  EXPECT_EQ(read_file(path("streamed.npz")), read_file(path("file.npz")));
  EXPECT_EQ(tessera({"run", padded_executable(), "--inputs", batch, "--outputs", "-", "--json"})
                .exit_code,
            2);
}

TEST(Archives, a_sandbox_answers_into_one) {
  const std::string batch = archive_of(padded_inputs(), "batch5.npz");
  const Result result = tessera({"run", padded_executable(), "--inputs", batch, "--outputs",
                                 path("locked_up.npz"), "--sandbox"});
  if (result.err.find("no sandbox") != std::string::npos) GTEST_SKIP() << result.err;
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(read(path("locked_up.npz")).size(), 2u);
}

TEST(Archives, what_is_wrong_with_one_is_said) {
  const auto run_with = [](const std::string& archive) {
    return tessera({"run", padded_executable(), "--inputs", archive});
  };
  NpzArrays arrays = arrays_below(padded_inputs());
  arrays["extra.npy"] = arrays.begin()->second;
  write_file(path("extra.npz"), tools::npz_of(arrays).take());
  EXPECT_THAT(run_with(path("extra.npz")).err,
              HasSubstr("extra.npz/extra.npy: is not an input of this model"));
  arrays.erase("extra.npy");
  arrays.erase("input_ids.npy");
  write_file(path("less.npz"), tools::npz_of(arrays).take());
  EXPECT_THAT(run_with(path("less.npz")).err, HasSubstr("less.npz/input_ids.npy: is not there"));
  write_file(path("no.npz"), "PK, but no archive");
  const Result bad = run_with(path("no.npz"));
  EXPECT_EQ(bad.exit_code, 5);
  EXPECT_THAT(bad.err, HasSubstr("is not a .npz archive"));
  EXPECT_EQ(run_with(path("none.npz")).exit_code, 1);
}

TEST(Archives, an_output_that_cannot_be_written_is_told_before_the_run) {
  const Result result =
      tessera({"run", padded_executable(), "--random", "--outputs", path("no_folder/answers.npz")});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("is not there, must be a folder to write to"));
  EXPECT_EQ(result.out, "");
}

}  // namespace
}  // namespace tessera::cli
