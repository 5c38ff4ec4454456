// SPDX-License-Identifier: Apache-2.0
#include "support/private_folder.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "support/own_group.h"
#include "tests/helpers/test_with_folder.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class PrivateFolderTest : public TestWithFolder {
 protected:
  std::string refusal(const std::string& name) const {
    const auto folder = PrivateFolder::open(path(name));
    if (folder.ok()) return "";
    EXPECT_EQ(folder.error().kind, ErrorKind::BadFile);
    return folder.error().message;
  }
};

TEST_F(PrivateFolderTest, is_made_for_its_owner_with_those_above_it) {
  ASSERT_TRUE(PrivateFolder::open(path("a/b/c/")).ok());
  for (const char* name : {"a", "a/b", "a/b/c"}) {
    struct stat status;
    ASSERT_EQ(::stat(path(name).c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0700u) << name;
  }
}

TEST(OwnGroup, is_the_users_first_of_the_users_name_and_holds_nobody_else) {
  const GroupEntry own{"ada", {}};
  EXPECT_TRUE(is_own_group(1000, "ada", 1000, 1000, own));
  EXPECT_TRUE(is_own_group(1000, "ada", 1000, 1000, {"ada", {"ada"}}));
  EXPECT_FALSE(is_own_group(1000, "ada", 1000, 1000,
                            {
                                "ada", {"ada", "bob"}
  }));
  EXPECT_FALSE(is_own_group(1000, "ada", 1000, 1000, {"users", {}}));
  EXPECT_FALSE(is_own_group(1000, "ada", 100, 1000, own));
  EXPECT_FALSE(is_own_group(0, "root", 0, 0, {"root", {}}));
}

TEST_F(PrivateFolderTest, below_a_folder_that_others_can_write_to_is_refused) {
  fs::create_directories(path("open/mine"));
  ASSERT_EQ(::chmod(path("open").c_str(), 0777), 0);
  ASSERT_EQ(::chmod(path("open/mine").c_str(), 0700), 0);
  for (const char* name : {"open/cache", "open/mine/cache"}) {
    EXPECT_THAT(refusal(name),
                HasSubstr("/open: can be written to by others, must not to have a cache"));
    EXPECT_FALSE(fs::exists(path(name)));
  }
  ASSERT_EQ(::chmod(path("open").c_str(), 0770), 0);
  EXPECT_THAT(refusal("open/cache"), HasSubstr("can be written to by others"));
}

TEST_F(PrivateFolderTest, below_a_folder_where_only_owners_remove_is_taken) {
  fs::create_directory(path("sticky"));
  ASSERT_EQ(::chmod(path("sticky").c_str(), 01777), 0);
  EXPECT_EQ(refusal("sticky/cache"), "");
}

TEST_F(PrivateFolderTest, roots_cache_in_another_users_home_touches_nothing_there) {
  fs::create_directory(path("home"));
  if (::chown(path("home").c_str(), 12345, 12345) != 0) GTEST_SKIP() << "only root can give away";
  EXPECT_THAT(refusal("home/.cache/tessera"),
              HasSubstr("home: is of user 12345, must be of user 0"));
  EXPECT_TRUE(fs::is_empty(path("home")));
}

TEST_F(PrivateFolderTest, is_what_was_opened_whatever_its_path_is_later) {
  const auto folder = PrivateFolder::open(path("cache"));
  ASSERT_TRUE(folder.ok());
  std::ofstream(path("cache/file")) << "sound";
  fs::rename(path("cache"), path("moved"));
  fs::create_directory(path("cache"));
  EXPECT_TRUE(folder->has("file"));
  folder->remove("file");
  EXPECT_TRUE(fs::is_empty(path("moved")));
}

TEST_F(PrivateFolderTest, links_and_pipes_are_not_its_files) {
  const auto folder = PrivateFolder::open(path("cache"));
  ASSERT_TRUE(folder.ok());
  std::ofstream(path("elsewhere")) << "x";
  fs::create_symlink(path("elsewhere"), path("cache/link"));
  ASSERT_EQ(::mkfifo(path("cache/pipe").c_str(), 0600), 0);
  for (const char* name : {"link", "pipe"})
    EXPECT_THAT(folder->open_file(name).error().message, HasSubstr("is not a plain file"));
  folder->remove("link");
  EXPECT_TRUE(fs::exists(path("elsewhere")));
}

TEST_F(PrivateFolderTest, a_folder_is_removed_with_what_it_holds_and_no_more) {
  const auto folder = PrivateFolder::open(path("cache"));
  fs::create_directories(path("cache/a/b/c"));
  fs::create_directory(path("kept"));
  std::ofstream(path("kept/file")) << "x";
  fs::create_directory_symlink(path("kept"), path("cache/a/link"));
  folder->remove("a");
  EXPECT_TRUE(fs::is_empty(path("cache")));
  EXPECT_TRUE(fs::exists(path("kept/file")));
}

}  // namespace
}  // namespace tessera
