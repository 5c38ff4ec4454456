// SPDX-License-Identifier: Apache-2.0
#include "support/file.h"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/helpers/test_with_folder.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class File : public TestWithFolder {
 protected:
  void write(const std::string& name, const std::string& text) {
    const Status written = write_file_atomic(path(name), text);
    ASSERT_TRUE(written.ok()) << written.error().message;
  }
  std::string text(const std::string& name) const {
    const Expected<std::string> text = read_text_file(path(name));
    return text.ok() ? *text : "error: " + text.error().message;
  }
};

TEST_F(File, what_is_not_synced_is_whole_all_the_same) {
  write("a", "old");
  ASSERT_TRUE(write_file_atomic(path("a"), "new", Sync::No).ok());
  EXPECT_EQ(text("a"), "new");
  EXPECT_THAT(files(), ElementsAre("a"));
}

TEST_F(File, what_is_written_is_read_and_mapped) {
  write("a", "one\ntwo");
  EXPECT_EQ(text("a"), "one\ntwo");
  const auto mapped = MappedFile::open(path("a"));
  ASSERT_TRUE(mapped.ok());
  const auto bytes = (*mapped)->bytes();
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), "one\ntwo");
}

TEST_F(File, a_copy_does_not_see_what_is_done_to_the_file_later) {
  write("a", "as it was");
  write("empty", "");
  const auto copied = MappedFile::copy(path("a"), 100);
  ASSERT_TRUE(copied.ok()) << copied.error().message;
  std::ofstream(path("a")) << "AS IT IS!";  // in place
  const auto bytes = (*copied)->bytes();
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), "as it was");
  EXPECT_TRUE((*MappedFile::copy(path("empty"), 100))->bytes().empty());
  EXPECT_THAT(MappedFile::copy(path("missing"), 100).error().message, HasSubstr("missing"));
  EXPECT_THAT(MappedFile::copy(path("a"), 8).error().message, HasSubstr("larger than 8"));
  EXPECT_THAT(MappedFile::copy(path(""), 100).error().message, HasSubstr("is not a regular file"));
}

TEST_F(File, an_empty_file_maps_to_no_bytes) {
  write("a", "");
  const auto mapped = MappedFile::open(path("a"));
  ASSERT_TRUE(mapped.ok());
  EXPECT_TRUE((*mapped)->bytes().empty());
}

TEST_F(File, a_mapping_outlives_the_name_it_was_opened_by) {
  write("a", "kept");
  const auto mapped = MappedFile::open(path("a"));
  ASSERT_TRUE(mapped.ok());
  write("a", "new!");
  EXPECT_EQ(static_cast<char>((*mapped)->bytes()[0]), 'k');
}

TEST_F(File, errors_say_the_path_and_the_reason) {
  EXPECT_EQ(MappedFile::open(path("none")).error().message,
            path("none") + ": cannot open: No such file or directory");
  EXPECT_EQ(read_text_file(path("none")).error().message,
            path("none") + ": cannot open: No such file or directory");
  EXPECT_EQ(write_file_atomic(path("none/a"), "x").error().message,
            path("none/a") + ": cannot create: No such file or directory");
  EXPECT_EQ(read_text_file(path("")).error().message, path("") + ": is not a regular file");
}

TEST_F(File, only_a_regular_file_is_mapped_or_replaced) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(MappedFile::open(path("pipe")).error().message,
            path("pipe") + ": is not a regular file");
  EXPECT_EQ(write_file_atomic(path("pipe"), "x").error().message,
            path("pipe") + ": is not a regular file, which it must be to be replaced");
}

TEST_F(File, no_reader_waits_for_a_pipe_or_reads_a_device) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  for (const std::string& name :
       {path("pipe"), std::string("/dev/zero"), std::string("/dev/tty")}) {
    EXPECT_FALSE(read_text_file(name).ok()) << name;
    EXPECT_FALSE(MappedFile::open(name).ok()) << name;
  }
  EXPECT_EQ(read_text_file(path("pipe")).error().message, path("pipe") + ": is not a regular file");
}

TEST_F(File, a_log_that_is_a_pipe_nobody_reads_is_an_error) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_THAT(append_line(path("pipe"), "x").error().message, HasSubstr("cannot open"));
  EXPECT_FALSE(check_appendable(path("pipe")).ok());
}

TEST_F(File, a_line_that_was_cut_off_is_ended_by_the_next_writer) {
  write("log", "whole\n{\"half");
  ASSERT_TRUE(append_line(path("log"), "next").ok());
  ASSERT_TRUE(append_line(path("log"), "last").ok());
  EXPECT_EQ(text("log"), "whole\n{\"half\nnext\nlast\n");
}

TEST_F(File, a_log_outlives_a_full_disk) {
  write("log", std::string(4090, 'x') + "\n");
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{4096, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status written = append_line(path("log"), "cut off here");
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_FALSE(written.ok());
  ASSERT_TRUE(append_line(path("log"), "next").ok());
  EXPECT_EQ(text("log"), std::string(4090, 'x') + "\ncut o\nnext\n");
}

TEST_F(File, a_growing_file_does_not_wait_for_a_pipe) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_FALSE(GrowingFile::create(path("pipe")).ok());
  EXPECT_THAT(GrowingFile::create("/dev/null").error().message, HasSubstr("is not a regular file"));
}

TEST_F(File, a_growing_file_tells_of_a_full_disk) {
  auto file = GrowingFile::create(path("record"));
  ASSERT_TRUE(file.ok()) << file.error().message;
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{4096, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  for (int i = 0; i < 100; ++i) file->write(std::string(1000, 'x'));
  const Status closed = file->close();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  ASSERT_FALSE(closed.ok());
  EXPECT_EQ(closed.error().message, path("record") + ": cannot write: File too large");
}

TEST_F(File, a_growing_file_holds_what_was_written) {
  write("record", "old and longer");
  auto file = GrowingFile::create(path("record"));
  ASSERT_TRUE(file.ok());
  file->write("a\n");
  file->write("b\n");
  ASSERT_TRUE(file->close().ok());
  EXPECT_EQ(text("record"), "a\nb\n");
}

TEST_F(File, more_than_the_limit_is_not_read) {
  write("a", "12345");
  EXPECT_TRUE(read_text_file(path("a"), 5).ok());
  EXPECT_EQ(read_text_file(path("a"), 4).error().message,
            path("a") + ": is larger than 4 bytes, which is the most that is read here");
}

TEST_F(File, a_write_that_fails_leaves_the_old_file_and_nothing_beside_it) {
  write("a", "old");
  const Status written = write_file_atomic(path("a"), [](const Sink& sink) -> Status {
    TRY(sink(std::as_bytes(std::span("half of the new"))));
    return Error{"changed its mind"};
  });
  EXPECT_EQ(written.error().message, "changed its mind");
  EXPECT_EQ(text("a"), "old");
  EXPECT_THAT(files(), ElementsAre("a"));
}

TEST_F(File, a_full_disk_leaves_the_old_file_and_nothing_beside_it) {
  write("a", "old");
  // A limit on the size of files stands in for a disk that is full.
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{4096, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status written = write_file_atomic(path("a"), std::string(10000, 'x'));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(written.error().message, path("a") + ": cannot write: File too large");
  EXPECT_EQ(text("a"), "old");
  EXPECT_THAT(files(), ElementsAre("a"));
}

TEST_F(File, a_new_file_has_the_usual_permissions) {
  const mode_t mask = ::umask(022);
  write("a", "x");
  ::umask(mask);
  struct stat status;
  ASSERT_EQ(::stat(path("a").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0644u);
}

TEST_F(File, lines_of_several_writers_stay_whole) {
  std::vector<std::thread> writers;
  for (char letter : {'a', 'b', 'c', 'd'}) {
    writers.emplace_back([this, letter] {
      for (int i = 0; i < 50; ++i)
        EXPECT_TRUE(append_line(path("log"), std::string(100, letter)).ok());
    });
  }
  for (std::thread& writer : writers) writer.join();
  const std::string log = text("log");
  ASSERT_EQ(log.size(), 200u * 101);
  for (size_t line = 0; line < log.size(); line += 101)
    EXPECT_EQ(log.substr(line, 101), std::string(100, log[line]) + "\n");
}

}  // namespace
}  // namespace tessera
