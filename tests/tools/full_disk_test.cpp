// SPDX-License-Identifier: Apache-2.0
// Every writer on a disk that becomes full, at several places: the exit code says so, files that
// were there are whole, and nothing half written stays. The disk is a tmpfs of 1 MiB where this
// process may mount one (in a namespace of its own), else a limit on the size of files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>

#include <cstdlib>
#include <filesystem>
#include <set>

#include "codelets/codelet.h"
#include "packing/plan.h"
#include "program/popef.h"
#include "program/read_popef.h"
#include "session/events.h"
#include "support/npy.h"
#include "tests/tools/command_line.h"

namespace tessera::cli {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

constexpr size_t kDiskBytes = 1 << 20;
constexpr size_t kRooms[] = {0, 4096, 8192, 20480, 65536, 262144};

bool mounts_a_disk(const std::string& folder) {
  static const bool apart = ::unshare(CLONE_NEWNS) == 0 &&
                            ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  const std::string size = "size=" + std::to_string(kDiskBytes);
  return apart && ::mount("tmpfs", folder.c_str(), "tmpfs", 0, size.c_str()) == 0;
}

class FullDisk : public ::testing::Test {
 public:
  ~FullDisk() override {
    if (mounted_) ::umount2(disk_.c_str(), MNT_DETACH);
    fs::remove_all(disk_);
  }

 protected:
  FullDisk() {
    // Made before the disk is full, and elsewhere.
    tiny_model();
    padded_executable();
    packed_executable();
    padded_inputs();
    disk_ = path("disk");
    fs::create_directories(disk_);
    mounted_ = mounts_a_disk(disk_);
  }
  std::string at(const std::string& name) const { return disk_ + "/" + name; }

  // Runs the verb with `room` bytes free, and leaves the disk as the verb did.
  Result run_with(const Words& words, size_t room) const {
    // The limit holds for stdout and stderr too, which must have room for a message.
    if (!mounted_) return tessera_with_file_limit(words, std::max<size_t>(room, 4096));
    const size_t used = kDiskBytes - fs::space(disk_).available;
    write_file(at("filler"),
               std::string(kDiskBytes - used - std::min(room, kDiskBytes - used), 'x'));
    Result result = tessera(words);
    fs::remove(at("filler"));
    return result;
  }

  // Beside the files that are named, nothing.
  void expect_no_others(const std::set<std::string>& names) const {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(disk_)) {
      const std::string name = fs::relative(entry.path(), disk_).string();
      EXPECT_TRUE(!entry.is_regular_file() || names.contains(name)) << name;
    }
  }

  // A file that was there is the old one after a failure, and sound after a success.
  template <class IsSound>
  void expect_whole(const Words& words, const std::string& name, IsSound is_sound) {
    int failures = 0;
    for (const size_t room : kRooms) {
      write_file(at(name), "old");
      const Result result = run_with(words, room);
      EXPECT_TRUE(result.exit_code == 0 || result.exit_code == 1) << result.err;
      if (result.exit_code == 0) {
        EXPECT_TRUE(is_sound(at(name))) << room;
      } else {
        ++failures;
        EXPECT_EQ(read_file(at(name)), "old") << room;
        EXPECT_THAT(result.err, ::testing::HasSubstr("cannot")) << room;
      }
      expect_no_others({name});
    }
    EXPECT_GT(failures, 0) << "the disk was never full";
  }

  std::string disk_;
  bool mounted_ = false;
};

TEST_F(FullDisk, an_executable_is_whole_or_the_old_one) {
  expect_whole({"compile", "--input_model", tiny_model(), "--input_shape", "input_ids=4,16",
                "--target", "test", "-o", at("a.popef")},
               "a.popef",
               [](const std::string& file) { return read_popef(file, check_compute_set).ok(); });
}

TEST_F(FullDisk, a_model_is_whole_or_the_old_one) {
  expect_whole({"make-model", "--preset", "tiny", "-o", at("a.onnx")}, "a.onnx",
               [](const std::string& file) { return fs::file_size(file) > 1000; });
}

TEST_F(FullDisk, a_converted_model_is_whole_or_the_old_one) {
  expect_whole({"convert", "--input_model", tiny_model(), "--input_shape", "input_ids=4,16", "-o",
                at("a.onnx")},
               "a.onnx", [](const std::string& file) { return fs::file_size(file) > 1000; });
}

TEST_F(FullDisk, a_trace_is_whole_or_the_old_one) {
  expect_whole({"trace", packed_executable(), "-o", at("a.pftrace")}, "a.pftrace",
               [](const std::string& file) { return fs::file_size(file) > 4000; });
}

TEST_F(FullDisk, a_plan_is_whole_or_the_old_one) {
  std::string lengths;
  for (int i = 0; i < 2000; ++i) lengths += "{\"length\": " + std::to_string(1 + i % 64) + "}\n";
  write_file(path("many.jsonl"), lengths);
  expect_whole(
      {"pack", path("many.jsonl"), "--rows", "4", "--row_length", "64", "-o", at("plan.json")},
      "plan.json", [](const std::string& file) { return read_plan(file).ok(); });
}

TEST_F(FullDisk, outputs_are_whole_arrays_or_not_there) {
  const Words words = {"run",           padded_executable(), "--inputs",
                       padded_inputs(), "--outputs",         at("answers")};
  int failures = 0;
  for (const size_t room : kRooms) {
    const Result result = run_with(words, room);
    failures += result.exit_code != 0;
    EXPECT_TRUE(result.exit_code == 0 || result.exit_code == 1) << result.err;
    if (!fs::exists(at("answers"))) continue;
    for (const fs::directory_entry& entry : fs::directory_iterator(at("answers"))) {
      EXPECT_EQ(entry.path().extension(), ".npy") << entry.path();
      EXPECT_TRUE(read_npy(entry.path()).ok()) << entry.path();
    }
    fs::remove_all(at("answers"));
  }
  if (!mounted_) return;  // no single array is as large as the least limit
  EXPECT_GT(failures, 0) << "the disk was never full";
}

// A log and a cache cost their lines and entries, never an answer; and what is there is readable.
TEST_F(FullDisk, a_session_answers_and_its_log_and_cache_stay_sound) {
  const Words words = {"run",         tiny_model(), "--random",  "input_ids=2,8",
                       "--target",    "test",       "--events",  at("events.jsonl"),
                       "--cache_dir", at("cache"),  "--threads", "1"};
  const Words again = {"recompiles", "list", at("events.jsonl")};
  for (const size_t room : kRooms) {
    const Result result = run_with(words, room);
    EXPECT_EQ(result.exit_code, 0) << room << ": " << result.err;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(disk_)) {
      const std::string name = fs::relative(entry.path(), disk_).string();
      EXPECT_EQ(name.find(".tmp."), std::string::npos) << name;
      if (entry.path().extension() != ".popef") continue;
      EXPECT_TRUE(read_popef(entry.path(), check_compute_set).ok()) << name;
    }
  }
  // With room again, the next writer goes on after whatever the full disk left of the log.
  EXPECT_EQ(tessera(words).exit_code, 0);
  const Result log = tessera(again);
  EXPECT_EQ(log.exit_code, 0) << log.err;
}

TEST_F(FullDisk, compiled_codelets_are_not_kept_and_nothing_is_said_wrong) {
  const std::string cache = at("objects");
  fs::create_directories(cache);
  fs::permissions(cache, fs::perms::owner_all);
  const char* const before = std::getenv("TESSERA_OBJECT_CACHE");
  const std::string kept = before == nullptr ? "" : before;
  ::setenv("TESSERA_OBJECT_CACHE", cache.c_str(), 1);
  for (const size_t room : {size_t{0}, size_t{8192}, size_t{65536}}) {
    const Result result = run_with({"run", padded_executable(), "--random", "yes"}, room);
    EXPECT_EQ(result.exit_code, 0) << result.err;
  }
  EXPECT_EQ(tessera({"run", padded_executable(), "--random", "yes"}).exit_code, 0);
  ::setenv("TESSERA_OBJECT_CACHE", kept.c_str(), 1);
}

}  // namespace
}  // namespace tessera::cli
