// SPDX-License-Identifier: Apache-2.0
#include "support/file_names.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <set>

#include "tests/helpers/test_with_folder.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;
using Names = std::vector<std::string>;

std::string file_of(const Names& names, const std::string& name, const Names& others = {}) {
  return TensorFiles(names, others).file_of(name);
}

TEST(FileNames, ordinary_names_keep_their_spelling) {
  EXPECT_EQ(escaped("input_ids.1-x"), "input_ids.1-x");
  EXPECT_EQ(file_of({"input_ids.1-x"}, "input_ids.1-x"), "input_ids.1-x.npy");
}

TEST(FileNames, every_name_can_be_read_back_from_its_escape) {
  std::mt19937 random(7);
  std::set<std::string> files;
  Names names = {"", ".", "..", ".x", "%", "%2F", "a%2Fb", "a/b", "a:b=c,d", "größe", "\xff"};
  for (int i = 0; i < 2000; ++i) {
    std::string name(random() % 6, '\0');
    for (char& c : name) c = static_cast<char>(random());
    names.push_back(name);
  }
  const std::set<std::string> different(names.begin(), names.end());
  for (const std::string& name : different) {
    const std::string file = escaped(name);
    EXPECT_EQ(unescaped(file), name);
    EXPECT_TRUE(files.insert(file).second) << file;
    EXPECT_EQ(file.find('/'), std::string::npos);
    EXPECT_FALSE(file.empty() || file[0] == '.') << file;
  }
}

TEST(FileNames, what_no_escape_made_stands_for_itself) {
  for (const char* file : {"%2f", "%41", "%2", "a%", "%GG"}) EXPECT_EQ(unescaped(file), file);
}

TEST(FileNames, a_name_alone_has_an_underscore_for_each_other_character) {
  EXPECT_EQ(file_of({"/encoder/out:0 ä"}, "/encoder/out:0 ä"), "_encoder_out_0__.npy");
  EXPECT_EQ(file_of({"a=b,c"}, "a=b,c"), "a_b_c.npy");
}

TEST(FileNames, names_that_would_share_a_file_are_escaped) {
  const Names names = {"y/0", "y_0"};
  EXPECT_EQ(file_of(names, "y_0"), "y_0.npy");
  EXPECT_EQ(file_of(names, "y/0"), "y%2F0.npy");
  EXPECT_EQ(file_of({"y/0", "y:0"}, "y/0"), "y%2F0.npy");
  EXPECT_EQ(file_of({"y/0", "y:0"}, "y:0"), "y%3A0.npy");
  EXPECT_EQ(file_of({"y/0"}, "y/0", {"y_0"}), "y%2F0.npy") << "an input's file";
}

TEST(FileNames, no_two_names_of_a_model_share_a_file) {
  std::mt19937 random(11);
  const std::string letters = "a_/:.%2F";
  for (int round = 0; round < 300; ++round) {
    std::set<std::string> names;
    while (names.size() < 12) {
      std::string name(random() % 4, ' ');
      for (char& c : name) c = letters[random() % letters.size()];
      names.insert(name);
    }
    const Names all(names.begin(), names.end());
    const TensorFiles files(all);
    std::set<std::string> taken;
    for (const std::string& name : all) {
      const std::string file = files.file_of(name);
      EXPECT_TRUE(taken.insert(file).second) << file;
      EXPECT_EQ(files.name_of(file), name);
      EXPECT_EQ(files.name_of(escaped(name) + ".npy"), name);
      EXPECT_TRUE(is_tensor_file(file)) << file;
    }
  }
}

TEST(FileNames, a_name_too_long_for_a_file_is_cut_and_stays_its_own) {
  const std::string fits(251, 'a'), a = fits + "a", b = fits + "b", slash(100, '/');
  const Names names = {fits, a, b, slash + a, slash + b, std::string(300, '/')};
  const TensorFiles files(names);
  std::set<std::string> taken;
  for (const std::string& name : names) {
    const std::string file = files.file_of(name);
    EXPECT_TRUE(taken.insert(file).second) << file;
    EXPECT_TRUE(is_tensor_file(file)) << file;
    EXPECT_EQ(files.name_of(file), name);
    EXPECT_EQ(files.name_of(escaped_file(name)), name);
  }
  EXPECT_EQ(files.file_of(fits), fits + ".npy");
  EXPECT_THAT(files.file_of(a), HasSubstr("aaa%%"));
}

TEST(FileNames, a_name_in_a_word_is_escaped_where_it_separates_or_looks_escaped) {
  for (const char* name : {"input_ids", "a/b:0", "größe", "100%", "a%b"})
    EXPECT_EQ(name_in_word(name), name);
  for (const char* name : {"", "a=b", "a,b", "a;b", "a b", "x[0]", "a%2Fb", "%"}) {
    const std::string word = name_in_word(name);
    EXPECT_EQ(word, escaped(name));
    EXPECT_EQ(unescaped(word), name);
  }
}

TEST(FileNames, that_no_tensor_has_are_told) {
  for (const char* file : {"", ".npy", "..npy", "../a.npy", "a/b.npy", "a", "a.npz", "a b.npy"})
    EXPECT_FALSE(is_tensor_file(file)) << file;
}

class TensorFile : public TestWithFolder {};

TEST_F(TensorFile, is_found_in_either_spelling_and_refused_in_both) {
  const Names names = {"y/0"};
  const TensorFiles files(names);
  std::ofstream(path("y%2F0.npy")) << "x";
  EXPECT_EQ(*find_tensor_file(path(""), files, "y/0"), path("") + "/y%2F0.npy");
  std::ofstream(path("y_0.npy")) << "x";
  EXPECT_THAT(find_tensor_file(path(""), files, "y/0").error().message,
              HasSubstr("are both there for 'y/0', must be one of them"));
  std::filesystem::remove(path("y%2F0.npy"));
  EXPECT_EQ(*find_tensor_file(path(""), files, "y/0"), path("") + "/y_0.npy");
}

}  // namespace
}  // namespace tessera
