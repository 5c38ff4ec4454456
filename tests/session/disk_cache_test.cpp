// SPDX-License-Identifier: Apache-2.0
// The cache on disk as one process sees it; tests/session/processes_test.cpp has many.
#include "session/disk_cache.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "support/file.h"
#include "tests/helpers/temp_folder.h"
#include "tests/session/small_entry.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using Outcome = DiskLookup::Outcome;

class DiskCacheTest : public ::testing::Test {
 protected:
  std::unique_ptr<DiskCache> open(int64_t limit = int64_t{1} << 30) const {
    auto cache = DiskCache::open(folder_, limit);
    EXPECT_TRUE(cache.ok()) << cache.error().message;
    return cache.ok() ? cache.take() : nullptr;
  }
  // The entries that had to go for it.
  std::vector<KeyRecord> store(const DiskCache& cache, const KeyRecord& record) const {
    const auto lock = cache.lock(record.key, std::chrono::seconds(10));
    EXPECT_TRUE(lock.ok());
    Executable executable = small_executable();
    auto stored = cache.store(record, executable);
    EXPECT_TRUE(stored.ok()) << stored.error().message;
    return stored.ok() ? stored->evicted : std::vector<KeyRecord>();
  }
  std::string entry(const KeyRecord& record) const {
    return folder_ + "/v1/entries/" + record.key.digests.total;
  }
  // Sets the time of an entry's last use, in seconds.
  static void age(const std::string& entry, time_t seconds) {
    const timespec times[2] = {
        {seconds, 0},
        {seconds, 0}
    };
    ASSERT_EQ(::utimensat(AT_FDCWD, entry.c_str(), times, 0), 0);
  }
  static int64_t bytes_of(const std::string& entry) {
    int64_t bytes = 0;
    for (const auto& file : fs::directory_iterator(entry))
      bytes += static_cast<int64_t>(file.file_size());
    return bytes;
  }

  const TempFolder parent_;
  const std::string folder_ = parent_ / "cache";
};

TEST_F(DiskCacheTest, what_is_stored_is_found_by_its_key_alone) {
  const auto cache = open();
  EXPECT_EQ(cache->find(small_record().key).outcome, Outcome::Miss);
  store(*cache, small_record());
  const DiskLookup found = cache->find(small_record().key);
  ASSERT_EQ(found.outcome, Outcome::Hit);
  EXPECT_EQ(found.executable->metadata.model_name, "small");
  EXPECT_EQ(found.record.compile_ms, 1500);
  EXPECT_EQ(found.record.executable_sha256, found.executable->sha256);
  EXPECT_EQ(cache->find(small_record(9).key).outcome, Outcome::Miss);
  EXPECT_EQ(cache->records().size(), 1u);
}

TEST_F(DiskCacheTest, its_folders_and_files_are_its_owners_alone) {
  const mode_t old = ::umask(0);
  store(*open(), small_record());
  ::umask(old);
  for (const auto& path : fs::recursive_directory_iterator(folder_)) {
    struct stat status;
    ASSERT_EQ(::stat(path.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 077, 0u) << path;
  }
}

TEST_F(DiskCacheTest, a_folder_that_others_can_write_to_is_refused) {
  fs::create_directory(folder_);
  ::chmod(folder_.c_str(), 0777);
  const auto cache = DiskCache::open(folder_, 1000);
  ASSERT_FALSE(cache.ok());
  EXPECT_EQ(cache.error().kind, ErrorKind::BadFile);
  EXPECT_EQ(cache.error().message, folder_ + ": can be written to by others, must not");
}

TEST_F(DiskCacheTest, a_folder_that_others_could_replace_is_refused) {
  ::chmod(parent_.path().c_str(), 0777);
  const auto cache = DiskCache::open(folder_, 1000);
  ASSERT_FALSE(cache.ok());
  EXPECT_EQ(cache.error().kind, ErrorKind::BadFile);
  EXPECT_THAT(cache.error().message,
              HasSubstr(": can be written to by others, must not to have a cache below it"));
  EXPECT_FALSE(fs::exists(folder_));
}

TEST_F(DiskCacheTest, what_was_opened_is_what_is_used) {
  const auto cache = open();
  fs::rename(folder_, parent_ / "moved");
  fs::create_directory(folder_);
  store(*cache, small_record());
  EXPECT_EQ(cache->find(small_record().key).outcome, Outcome::Hit);
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(DiskCacheTest, a_link_in_place_of_the_folder_is_refused) {
  fs::create_directory(parent_ / "real");
  fs::create_directory_symlink(parent_ / "real", folder_);
  const auto cache = DiskCache::open(folder_, 1000);
  ASSERT_FALSE(cache.ok());
  EXPECT_THAT(cache.error().message, HasSubstr("is not a folder, must be one and not a link"));
}

TEST_F(DiskCacheTest, a_folder_of_another_user_is_refused) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a folder away";
  fs::create_directory(folder_);
  ::chmod(folder_.c_str(), 0700);
  ASSERT_EQ(::chown(folder_.c_str(), 12345, 12345), 0);
  const auto cache = DiskCache::open(folder_, 1000);
  ASSERT_FALSE(cache.ok());
  EXPECT_THAT(cache.error().message, HasSubstr("is of user 12345, must be of user 0"));
}

TEST_F(DiskCacheTest, an_entry_that_others_can_write_to_is_not_trusted) {
  const auto cache = open();
  for (const char* file : {"", "/executable.popef", "/key.json"}) {
    store(*cache, small_record());
    ::chmod((entry(small_record()) + file).c_str(), 0722);
    const DiskLookup found = cache->find(small_record().key);
    EXPECT_EQ(found.outcome, Outcome::Rejected) << file;
    EXPECT_EQ(found.cause, Cause::Untrusted) << file;
    EXPECT_THAT(found.reason, HasSubstr("can be written to by others"));
    cache->set_aside(small_record().key);
  }
}

TEST_F(DiskCacheTest, a_link_in_place_of_a_file_is_not_followed) {
  const auto cache = open();
  store(*cache, small_record());
  const std::string file = entry(small_record()) + "/executable.popef";
  fs::rename(file, parent_ / "elsewhere");
  fs::create_symlink(parent_ / "elsewhere", file);
  EXPECT_EQ(cache->find(small_record().key).cause, Cause::Untrusted);
}

TEST_F(DiskCacheTest, every_changed_byte_of_an_entry_is_caught) {
  const auto cache = open();
  store(*cache, small_record());
  size_t changed = 0;
  for (const char* file : {"/executable.popef", "/key.json"}) {
    const std::string path = entry(small_record()) + file;
    const std::string whole = read_text_file(path).take();
    std::fstream stream(path, std::ios::in | std::ios::out | std::ios::binary);
    for (size_t i = 0; i < whole.size(); ++i, ++changed) {
      const auto put = [&](char c) { stream.seekp(static_cast<long>(i)).put(c).flush(); };
      put(static_cast<char>(whole[i] ^ (1 << (i % 8))));
      ASSERT_EQ(cache->find(small_record().key).cause, Cause::Corrupt) << file << " " << i;
      put(whole[i]);
    }
  }
  EXPECT_GT(changed, 1000u);
  EXPECT_EQ(cache->find(small_record().key).outcome, Outcome::Hit);
}

TEST_F(DiskCacheTest, a_sound_executable_under_another_key_is_caught) {
  const auto cache = open();
  store(*cache, small_record(8));
  fs::rename(entry(small_record(8)), entry(small_record(9)));
  const DiskLookup found = cache->find(small_record(9).key);
  EXPECT_EQ(found.outcome, Outcome::Rejected);
  EXPECT_EQ(found.cause, Cause::Corrupt);
  EXPECT_EQ(found.reason, "key record: is of the key " + small_record(8).key.digests.total +
                              ", must be of " + small_record(9).key.digests.total);
}

TEST_F(DiskCacheTest, what_is_past_the_limits_of_one_reader_stays_for_others) {
  const auto cache = open();
  store(*cache, small_record());
  Limits limits;
  limits.vertices = 1;
  const DiskLookup found = cache->find(small_record().key, limits);
  EXPECT_EQ(found.outcome, Outcome::Refused);
  EXPECT_THAT(found.reason, HasSubstr("must be at most 1 (--limit vertices=VALUE raises it)"));
  EXPECT_EQ(cache->find(small_record().key).outcome, Outcome::Hit);
}

TEST_F(DiskCacheTest, what_is_corrupt_is_set_aside_and_can_be_stored_again) {
  const auto cache = open();
  store(*cache, small_record());
  fs::resize_file(entry(small_record()) + "/executable.popef", 100);
  EXPECT_EQ(cache->find(small_record().key).cause, Cause::Corrupt);
  cache->set_aside(small_record().key);
  EXPECT_EQ(cache->find(small_record().key).outcome, Outcome::Miss);
  EXPECT_TRUE(fs::exists(folder_ + "/v1/set_aside/" + small_record().key.digests.total));
  store(*cache, small_record());
  EXPECT_EQ(cache->find(small_record().key).outcome, Outcome::Hit);
}

// A file's name can be on the disk before its bytes are.
TEST_F(DiskCacheTest, what_a_loss_of_power_left_is_corrupt) {
  const auto cache = open();
  for (const char* file : {"/key.json", "/executable.popef"}) {
    store(*cache, small_record());
    fs::resize_file(entry(small_record()) + file, 0);
    EXPECT_EQ(cache->find(small_record().key).cause, Cause::Corrupt) << file;
    cache->set_aside(small_record().key);
  }
}

TEST_F(DiskCacheTest, the_longest_unused_go_when_it_is_full) {
  {
    const auto roomy = open();
    for (int64_t rows : {1, 2, 3}) store(*roomy, small_record(rows));
  }
  const int64_t one = bytes_of(entry(small_record(1)));
  for (int64_t rows : {1, 2, 3}) age(entry(small_record(rows)), 1000 + rows);
  const auto cache = open(3 * one + one / 2);
  EXPECT_EQ(cache->find(small_record(1).key).outcome, Outcome::Hit) << "which marks it as used";
  const std::vector<KeyRecord> gone = store(*cache, small_record(4));
  ASSERT_EQ(gone.size(), 1u);
  EXPECT_EQ(gone[0].key, small_record(2).key);
  EXPECT_EQ(cache->find(small_record(2).key).cause, Cause::Evicted);
  for (int64_t rows : {1, 3, 4})
    EXPECT_EQ(cache->find(small_record(rows).key).outcome, Outcome::Hit) << rows;
  EXPECT_LE(cache->usage().bytes, 3 * one + one / 2);
  store(*cache, small_record(2));
  EXPECT_EQ(cache->find(small_record(2).key).outcome, Outcome::Hit) << "and no longer evicted";
}

TEST_F(DiskCacheTest, what_is_set_aside_goes_first) {
  {
    const auto roomy = open();
    for (int64_t rows : {1, 2}) store(*roomy, small_record(rows));
    fs::resize_file(entry(small_record(2)) + "/key.json", 3);
    roomy->set_aside(small_record(2).key);
  }
  const int64_t one = bytes_of(entry(small_record(1)));
  const auto cache = open(2 * one + one / 2);
  EXPECT_TRUE(store(*cache, small_record(3)).empty());
  EXPECT_TRUE(fs::is_empty(folder_ + "/v1/set_aside"));
}

TEST_F(DiskCacheTest, an_executable_larger_than_the_limit_is_not_kept) {
  const auto cache = open(100);
  const auto lock = cache->lock(small_record().key, std::chrono::seconds(10));
  Executable executable = small_executable();
  const auto stored = cache->store(small_record(), executable);
  ASSERT_FALSE(stored.ok());
  EXPECT_THAT(stored.error().message,
              HasSubstr("bytes, must have at most the cache's limit of 100"));
  EXPECT_EQ(cache->usage().bytes, 0);
  EXPECT_TRUE(fs::is_empty(folder_ + "/v1/writing"));
}

TEST_F(DiskCacheTest, what_killed_writers_left_is_swept_up) {
  const auto cache = open();
  fs::create_directory(folder_ + "/v1/writing/" + small_record(1).key.digests.total);
  fs::create_directory(folder_ + "/v1/writing/abc.evicted");
  store(*cache, small_record(2));
  EXPECT_TRUE(fs::is_empty(folder_ + "/v1/writing"));
}

TEST_F(DiskCacheTest, what_another_process_is_writing_stays) {
  const auto cache = open();
  const auto lock = cache->lock(small_record(1).key, std::chrono::seconds(10));
  fs::create_directory(folder_ + "/v1/writing/" + small_record(1).key.digests.total);
  store(*cache, small_record(2));
  EXPECT_FALSE(fs::is_empty(folder_ + "/v1/writing"));
}

TEST_F(DiskCacheTest, a_lock_is_waited_for_only_so_long) {
  const auto cache = open();
  auto held = std::make_unique<Expected<KeyLock>>(
      cache->lock(small_record().key, std::chrono::seconds(10)));
  ASSERT_TRUE(held->ok());
  const auto other = cache->lock(small_record().key, std::chrono::milliseconds(30));
  ASSERT_FALSE(other.ok());
  EXPECT_THAT(other.error().message, HasSubstr("must let go within 30 ms"));
  EXPECT_TRUE(cache->lock(small_record(9).key, std::chrono::milliseconds(0)).ok());
  held.reset();
  EXPECT_TRUE(cache->lock(small_record().key, std::chrono::milliseconds(30)).ok());
  EXPECT_TRUE(fs::is_empty(folder_ + "/v1/locks"));
}

}  // namespace
}  // namespace tessera
