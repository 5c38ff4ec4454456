// SPDX-License-Identifier: Apache-2.0
// tessera requests: what it writes is what run, pack and check read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "support/npy.h"
#include "tests/tools/command_line.h"

namespace tessera::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Words = std::vector<std::string>;

Result requests(const Words& words) {
  Words all = {"requests"};
  all.insert(all.end(), words.begin(), words.end());
  return tessera(all);
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

NpyArray array_in(const std::string& file) {
  auto array = read_npy(file);
  EXPECT_TRUE(array.ok()) << file;
  return array.ok() ? *array : NpyArray();
}

std::vector<int64_t> values(const NpyArray& array) {
  const auto* at = reinterpret_cast<const int64_t*>(array.bytes.data());
  return {at, at + array.bytes.size() / 8};
}

TEST(Requests, are_run_as_they_are_written) {
  const Result made = requests({packed_executable(), "-o", path("drawn")});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  EXPECT_THAT(made.out, AllOf(HasSubstr("64 requests of 1 to 16 tokens"), HasSubstr("seed 2023")));
  EXPECT_EQ(names_in(path("drawn")).size(), 64u);
  EXPECT_THAT(names_in(path("drawn/07")), ElementsAre("input_ids.npy", "token_type_ids.npy"));
  const Result run = tessera({"run", packed_executable(), "--requests", path("drawn")});
  EXPECT_THAT(run.out, HasSubstr("answered 64 of 64 requests")) << run.err;
}

TEST(Requests, have_the_models_types_and_ids_of_its_table) {
  ASSERT_EQ(requests({padded_executable(), "--random", "40", "-o", path("typed")}).exit_code, 0);
  std::set<int64_t> lengths;
  for (const std::string& name : names_in(path("typed"))) {
    const NpyArray ids = array_in(path("typed/" + name + "/input_ids.npy"));
    ASSERT_EQ(ids.descr, "<i8");  // as the model declares it
    lengths.insert(ids.shape[0]);
    for (const int64_t id : values(ids)) ASSERT_TRUE(id >= 0 && id < 100) << id;
    for (const int64_t type : values(array_in(path("typed/" + name + "/token_type_ids.npy"))))
      ASSERT_TRUE(type == 0 || type == 1);
  }
  EXPECT_GT(lengths.size(), 5u);
}

TEST(Requests, are_as_long_as_a_list_or_a_histogram_says) {
  write_ints(path("list.npy"), {5, 1, 16}, {3});
  ASSERT_EQ(requests({packed_executable(), path("list.npy"), "-o", path("listed")}).exit_code, 0);
  std::vector<int64_t> lengths;
  for (const std::string& name : names_in(path("listed")))
    lengths.push_back(array_in(path("listed/" + name + "/input_ids.npy")).shape[0]);
  EXPECT_THAT(lengths, ElementsAre(5, 1, 16));

  write_file(path("counted.csv"), "length,count\n3,2\n9,1\n");
  const Result drawn =
      requests({packed_executable(), path("counted.csv"), "--draw", "20", "-o", path("counted")});
  EXPECT_THAT(drawn.out, HasSubstr("20 requests of 3 to 9 tokens")) << drawn.err;
}

TEST(Requests, a_batch_of_a_padded_executable_has_a_request_in_each_row) {
  const Result made = requests({padded_executable(), "--batch", "-o", path("batch")});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  EXPECT_THAT(names_in(path("batch")),
              ElementsAre("attention_mask.npy", "input_ids.npy", "token_type_ids.npy"));
  const NpyArray mask = array_in(path("batch/attention_mask.npy"));
  EXPECT_THAT(mask.shape, ElementsAre(4, 16));
  const std::vector<int64_t> ones = values(mask);
  for (size_t row = 0; row < 4; ++row) EXPECT_EQ(ones[row * 16], 1);
  EXPECT_EQ(tessera({"run", padded_executable(), "--inputs", path("batch")}).exit_code, 0);
}

TEST(Requests, a_packed_batch_holds_what_packing_makes_and_several_batches_have_numbers) {
  ASSERT_EQ(requests({packed_executable(), "--batch", "-o", path("one")}).exit_code, 0);
  EXPECT_THAT(names_in(path("one")),
              ElementsAre("attention_mask.npy", "input_ids.npy", "position_ids.npy",
                          "token_type_ids.npy", "unpack_info.npy"));
  const Result many =
      requests({packed_executable(), "--random", "30", "--batch", "-o", path("many")});
  EXPECT_THAT(many.out, HasSubstr("30 requests in 4 batches"));
  EXPECT_THAT(names_in(path("many")), ElementsAre("0", "1", "2", "3"));
  EXPECT_EQ(
      tessera({"run", packed_executable(), "--inputs", path("many/0"), path("many/3")}).exit_code,
      0);
}

TEST(Requests, the_same_seed_makes_the_same_bytes) {
  for (const char* to : {"first", "second"})
    ASSERT_EQ(requests({packed_executable(), "--random", "3", "-o", path(to)}).exit_code, 0);
  ASSERT_EQ(requests({packed_executable(), "--random", "3", "--seed", "1", "-o", path("third")})
                .exit_code,
            0);
  const auto bytes = [](const std::string& to) {
    return read_file(path(to + "/0/input_ids.npy")) + read_file(path(to + "/2/input_ids.npy"));
  };
  EXPECT_EQ(bytes("first"), bytes("second"));
  EXPECT_NE(bytes("first"), bytes("third"));
}

TEST(Requests, what_cannot_be_made_is_refused_before_anything_is_written) {
  struct Case {
    Words words;
    int code;
    std::string text;
  };
  write_ints(path("long.npy"), {5, 17}, {2});
  fs::create_directory(path("taken"));
  write_file(path("taken/file"), "x");
  write_file(path("texts.txt"), "a text\n");
  const std::string to = path("never");
  for (const auto& [words, code, text] : std::vector<Case>{
           {{packed_executable()},                                              2, "must be MODEL.popef [LENGTHS] -o FOLDER"             },
           {{tiny_model(), "-o", to},                                           2, "is a model, must be an executable"                   },
           {{packed_executable(), "-o", path("taken")},                         1, "must be a new or empty folder"                       },
           {{packed_executable(), "-o", path("taken/file")},                    1, "is a file, must be a folder"                         },
           {{packed_executable(), path("long.npy"), "-o", to},
            1,                                                                     "length 1 is 17, must be in 1..16 for this executable"},
           {{packed_executable(), path("texts.txt"), "-o", to},                 2, "python3 -m tessera requests"                         },
           {{packed_executable(), "--random", "-3", "-o", to},                  2, "--random: -3, must be at least"                      },
           {{packed_executable(), "--vocab", "101", "-o", to},
            2,                                                                     "--vocab: 101, must be in 0..100"                     },
           {{packed_executable(), path("long.npy"), "--random", "2", "-o", to},
            2,                                                                     "must be given either lengths"                        }
  }) {
    const Result result = requests(words);
    EXPECT_EQ(result.exit_code, code) << text;
    EXPECT_THAT(result.err, HasSubstr(text));
  }
  EXPECT_FALSE(exists(to));
}

}  // namespace
}  // namespace tessera::cli
