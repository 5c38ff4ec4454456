// SPDX-License-Identifier: Apache-2.0
#include "executor/object_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "executor/jit.h"
#include "executor/machine.h"
#include "tests/helpers/test_with_folder.h"
#include "tests/helpers/tiny_executable.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

class ObjectCacheTest : public TestWithFolder {
 protected:
  std::string folder() const { return path("cache"); }
  std::string file_of(const Sha256& key) const { return folder() + "/" + to_hex(key) + ".object"; }
  std::unique_ptr<const ObjectCache> open(int64_t limit = ObjectCache::kDefaultLimit) const {
    auto cache = ObjectCache::open(folder(), limit);
    EXPECT_TRUE(cache) << cache.error().message;
    return cache.take();
  }
  std::vector<std::filesystem::path> objects() const {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder()))
      files.push_back(entry.path());
    return files;
  }
};

void flip_byte(const std::string& path, std::streamoff at) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(at);
  const char old = static_cast<char>(file.get());
  file.seekp(at);
  file.put(static_cast<char>(old ^ 1));
  ASSERT_TRUE(file.good());
}

const Sha256 kKey = sha256(std::string_view("key")), kOther = sha256(std::string_view("other"));

TEST_F(ObjectCacheTest, finds_what_was_stored_in_this_process_or_another) {
  open()->store(kKey, "object code");
  EXPECT_EQ(open()->find(kKey), "object code");
  EXPECT_EQ(open()->find(kOther), std::nullopt);
}

TEST_F(ObjectCacheTest, leaves_only_whole_files_of_this_user) {
  open()->store(kKey, "object code");
  ASSERT_EQ(objects().size(), 1U);
  struct stat status;
  ASSERT_EQ(::stat(file_of(kKey).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  ASSERT_EQ(::stat(folder().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700U);
}

TEST_F(ObjectCacheTest, does_not_find_what_was_damaged) {
  const auto cache = open();
  cache->store(kKey, "object code");
  const auto bytes = static_cast<std::streamoff>(std::filesystem::file_size(file_of(kKey)));
  for (std::streamoff at = 0; at < bytes; ++at) {
    flip_byte(file_of(kKey), at);
    EXPECT_EQ(cache->find(kKey), std::nullopt) << "byte " << at;
    flip_byte(file_of(kKey), at);
  }
  EXPECT_EQ(cache->find(kKey), "object code");
}

TEST_F(ObjectCacheTest, does_not_find_what_was_cut_or_renamed) {
  const auto cache = open();
  cache->store(kKey, "object code");
  std::filesystem::copy_file(file_of(kKey), file_of(kOther));
  EXPECT_EQ(cache->find(kOther), std::nullopt);
  for (const uintmax_t bytes : {0, 20, 50}) {
    std::filesystem::resize_file(file_of(kKey), bytes);
    EXPECT_EQ(cache->find(kKey), std::nullopt) << bytes;
  }
}

TEST_F(ObjectCacheTest, does_not_find_what_others_may_write) {
  const auto cache = open();
  cache->store(kKey, "object code");
  ASSERT_EQ(::chmod(file_of(kKey).c_str(), 0620), 0);
  EXPECT_EQ(cache->find(kKey), std::nullopt);
  ASSERT_EQ(::chmod(file_of(kKey).c_str(), 0644), 0);
  EXPECT_EQ(cache->find(kKey), "object code");
}

TEST_F(ObjectCacheTest, does_not_find_what_belongs_to_another_user) {
  const auto cache = open();
  cache->store(kKey, "object code");
  if (::chown(file_of(kKey).c_str(), 12345, 12345) != 0)
    GTEST_SKIP() << "only root can give a file away: nothing was checked";
  EXPECT_EQ(cache->find(kKey), std::nullopt);
}

TEST_F(ObjectCacheTest, does_not_follow_a_link) {
  const auto cache = open();
  cache->store(kKey, "object code");
  std::filesystem::rename(file_of(kKey), path("elsewhere"));
  std::filesystem::create_symlink(path("elsewhere"), file_of(kKey));
  EXPECT_EQ(cache->find(kKey), std::nullopt);
}

TEST_F(ObjectCacheTest, replaces_what_is_not_sound) {
  const auto cache = open();
  cache->store(kKey, "object code");
  flip_byte(file_of(kKey), 50);
  cache->store(kKey, "object code");
  EXPECT_EQ(cache->find(kKey), "object code");
}

TEST_F(ObjectCacheTest, refuses_a_folder_that_others_may_write) {
  std::filesystem::create_directory(folder());
  ASSERT_EQ(::chmod(folder().c_str(), 0777), 0);
  const auto cache = ObjectCache::open(folder());
  ASSERT_FALSE(cache);
  EXPECT_THAT(cache.error().message, HasSubstr("can be written to by others, must not"));
}

TEST_F(ObjectCacheTest, refuses_what_is_no_folder) {
  std::ofstream(path("cache")) << "a file";
  const auto cache = ObjectCache::open(folder());
  ASSERT_FALSE(cache);
  EXPECT_THAT(cache.error().message, HasSubstr("is not a folder, must be one and not a link"));
}

TEST_F(ObjectCacheTest, removes_what_was_used_longest_ago) {
  const auto cache = open(3 * (1000 + 48));
  std::vector<Sha256> keys;
  for (int i = 0; i < 3; ++i) {
    keys.push_back(sha256(std::to_string(i)));
    cache->store(keys.back(), std::string(1000, 'x'));
    const timeval then[2] = {
        {1000 + i, 0},
        {1000 + i, 0}
    };
    ASSERT_EQ(::utimes(file_of(keys.back()).c_str(), then), 0);
  }
  EXPECT_TRUE(cache->find(keys[0]));  // is now the one that was used last
  cache->store(kKey, std::string(1000, 'x'));
  EXPECT_TRUE(cache->find(keys[0]));
  EXPECT_FALSE(cache->find(keys[1]));
  EXPECT_TRUE(cache->find(keys[2]));
  EXPECT_TRUE(cache->find(kKey));
}

// --- A machine with a cache ---

constexpr std::string_view kSoftmax = R"(program softmax {
  target test
  input x: f32[4,10] = by [1,10] at 0
  output y: f32[4,10] = by [1,10] at 0
  inputs x
  outputs y
  step softmax {
    softmax on [4] at 0
    read x [g0*1:1, *]
    write y [g0*1:1, *]
  }
}
)";

struct Ran {
  JitCounts counts;
  std::string problem;
  Bytes answer;
};

Ran run_softmax(const std::string& cache_folder, const std::string& cpu = "") {
  MachineOptions options;
  options.cpu = cpu;
  options.cache_folder = cache_folder;
  auto machine =
      Machine::load(std::make_shared<const Executable>(tiny_executable(kSoftmax)), options);
  EXPECT_TRUE(machine) << machine.error().message;
  const Bytes x = random_tensor(DType::F32, 40, 1);
  Ran ran{(*machine)->jit_counts(), (*machine)->cache_problem(), Bytes(x.size())};
  const std::span<const std::byte> in(x);
  const std::span<std::byte> out(ran.answer);
  EXPECT_TRUE((*machine)->run({&in, 1}, {&out, 1}));
  return ran;
}

TEST_F(ObjectCacheTest, a_second_machine_compiles_nothing_and_answers_the_same) {
  const Ran first = run_softmax(folder());
  EXPECT_EQ(first.counts.compiled, 1);
  EXPECT_EQ(first.counts.loaded, 0);
  const Ran second = run_softmax(folder());
  EXPECT_EQ(second.counts.compiled, 0);
  EXPECT_EQ(second.counts.loaded, 1);
  EXPECT_EQ(second.answer, first.answer);
  EXPECT_EQ(second.answer, run_softmax("").answer);
}

TEST_F(ObjectCacheTest, a_damaged_object_is_compiled_and_stored_again) {
  const Ran first = run_softmax(folder());
  ASSERT_EQ(objects().size(), 1U);
  flip_byte(objects()[0], 200);
  const Ran second = run_softmax(folder());
  EXPECT_EQ(second.counts.compiled, 1);
  EXPECT_EQ(second.answer, first.answer);
  EXPECT_EQ(run_softmax(folder()).counts.loaded, 1);
}

TEST_F(ObjectCacheTest, an_object_for_another_cpu_is_another) {
  run_softmax(folder());
  EXPECT_EQ(run_softmax(folder(), "x86-64").counts.compiled, 1);
  EXPECT_EQ(run_softmax(folder(), "x86-64").counts.loaded, 1);
}

TEST_F(ObjectCacheTest, a_machine_works_without_the_folder_and_says_why) {
  std::filesystem::create_directory(folder());
  ASSERT_EQ(::chmod(folder().c_str(), 0777), 0);
  const Ran ran = run_softmax(folder());
  EXPECT_EQ(ran.counts.compiled, 1);
  EXPECT_THAT(ran.problem, HasSubstr("can be written to by others, must not"));
  EXPECT_TRUE(objects().empty());
}

class EnvironmentTest : public ::testing::Test {
 protected:
  static void set(const char* name, const char* value) {
    value == nullptr ? ::unsetenv(name) : ::setenv(name, value, 1);
  }
  void SetUp() override {
    for (const char* name : kNames) {
      const char* value = std::getenv(name);
      before_.push_back(value == nullptr ? std::nullopt : std::optional<std::string>(value));
      ::unsetenv(name);
    }
  }
  void TearDown() override {
    for (size_t i = 0; i < before_.size(); ++i)
      set(kNames[i], before_[i] ? before_[i]->c_str() : nullptr);
  }

 private:
  static constexpr const char* kNames[] = {"TESSERA_OBJECT_CACHE", "XDG_CACHE_HOME", "HOME"};
  std::vector<std::optional<std::string>> before_;
};

TEST_F(EnvironmentTest, says_where_the_cache_is) {
  EXPECT_EQ(default_object_cache(), "");
  set("HOME", "/home/me");
  EXPECT_EQ(default_object_cache(), "/home/me/.cache/tessera/objects");
  set("XDG_CACHE_HOME", "not/absolute");
  EXPECT_EQ(default_object_cache(), "/home/me/.cache/tessera/objects");
  set("XDG_CACHE_HOME", "/var/cache/me");
  EXPECT_EQ(default_object_cache(), "/var/cache/me/tessera/objects");
  set("TESSERA_OBJECT_CACHE", "/elsewhere");
  EXPECT_EQ(default_object_cache(), "/elsewhere");
  set("TESSERA_OBJECT_CACHE", "");
  EXPECT_EQ(default_object_cache(), "");
}

}  // namespace
}  // namespace tessera
