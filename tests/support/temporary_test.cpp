// SPDX-License-Identifier: Apache-2.0
// Files that are being written when their process ends.
#include "support/temporary.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/wait.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "support/file.h"
#include "tests/helpers/test_with_folder.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class TemporaryFiles : public TestWithFolder {
 protected:
  // Starts to write `name` in another process, and sends it this signal within.
  int ended_by(int signal, bool as_a_program) {
    const pid_t child = ::fork();
    if (child == 0) {
      if (as_a_program) remove_temporaries_on_signals();
      const Status status = write_file_atomic(path("a"), [&](const Sink& sink) -> Status {
        TRY(sink(std::as_bytes(std::span("half"))));
        ::raise(signal);
        return {};
      });
      ::_exit(status.ok() ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  }
};

TEST_F(TemporaryFiles, a_signal_that_ends_a_program_removes_them) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGXCPU}) {
    EXPECT_EQ(ended_by(signal, true), signal);
    EXPECT_THAT(files(), IsEmpty()) << signal;
  }
}

TEST_F(TemporaryFiles, a_file_past_its_limit_is_an_error_of_the_write) {
  EXPECT_EQ(ended_by(SIGXFSZ, true), 0);
  EXPECT_THAT(files(), ElementsAre("a"));
}

TEST_F(TemporaryFiles, the_library_leaves_signals_to_its_host) {
  EXPECT_EQ(ended_by(SIGTERM, false), SIGTERM);
  EXPECT_THAT(files(), SizeIs(1));
}

TEST_F(TemporaryFiles, what_a_killed_process_left_goes_with_the_next_write) {
  EXPECT_EQ(ended_by(SIGKILL, true), SIGKILL);
  EXPECT_THAT(files(), SizeIs(1));
  ASSERT_TRUE(write_file_atomic(path("b"), "whole").ok());
  EXPECT_THAT(files(), ElementsAre("b"));
}

TEST_F(TemporaryFiles, what_is_being_written_is_left_alone) {
  ASSERT_TRUE(write_file_atomic(path("a"), [&](const Sink& sink) -> Status {
                TRY(sink(std::as_bytes(std::span("one", 3))));
                return write_file_atomic(path("b"), "other");
              }).ok());
  EXPECT_EQ(read_text_file(path("a")).take(), "one");
  EXPECT_THAT(files(), ElementsAre("a", "b"));
}

TEST_F(TemporaryFiles, files_of_other_names_are_nobodys_to_remove) {
  for (const char* name :
       {".tessera-.tmp", ".tessera-x.tmp", ".tessera-1-1.tmp.npy", "tessera-1.tmp"})
    std::ofstream(path(name)) << "kept";
  std::filesystem::create_directory(path(".tessera-1-1.tmp"));
  ASSERT_TRUE(write_file_atomic(path("b"), "whole").ok());
  EXPECT_THAT(files(), SizeIs(6));
}

TEST_F(TemporaryFiles, a_name_as_long_as_the_system_takes_is_written) {
  const std::string longest(255, 'n');
  EXPECT_TRUE(write_file_atomic(path(longest), "x").ok());
  EXPECT_EQ(write_file_atomic(path(longest + "n"), "x").error().message,
            path(longest + "n") + ": cannot create: File name too long");
}

TEST_F(TemporaryFiles, more_than_a_handler_remembers_are_written_all_the_same) {
  const Descriptor folder(::open(path("").c_str(), O_RDONLY | O_DIRECTORY));
  std::vector<Temporary> many;
  for (int i = 0; i < 300; ++i) many.push_back(*Temporary::create(folder.get(), 0600));
  EXPECT_TRUE(many.back().rename_to("last"));
  many.clear();
  EXPECT_THAT(files(), ElementsAre("last"));
}

}  // namespace
}  // namespace tessera
