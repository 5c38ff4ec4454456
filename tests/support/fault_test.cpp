// SPDX-License-Identifier: Apache-2.0
#include "support/fault.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <thread>
#include <vector>

#include "support/file.h"
#include "tests/helpers/test_with_folder.h"

namespace tessera {
namespace {

// A page that nobody may touch.
volatile char* forbidden() {
  static void* const page = ::mmap(nullptr, 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return static_cast<volatile char*>(page);
}

TEST(Fault, of_a_call_is_its_result_and_the_next_call_is_well) {
  EXPECT_EQ(catch_fault([] {}), 0);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(catch_fault([] { *forbidden() = 1; }), SIGSEGV);
    EXPECT_EQ(catch_fault([] { __builtin_trap(); }), SIGILL);
    EXPECT_EQ(catch_fault([] { ::raise(SIGFPE); }), SIGFPE);
  }
  EXPECT_EQ(catch_fault([] {}), 0);
  EXPECT_EQ(signal_name(SIGBUS), "SIGBUS");
}

TEST(Fault, of_one_thread_is_not_anothers) {
  std::vector<int> signals(8);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < signals.size(); ++i) {
    threads.emplace_back([&signals, i] {
      signals[i] = catch_fault([i] {
        if (i % 2 == 0) *forbidden() = 1;
      });
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(signals, (std::vector<int>{SIGSEGV, 0, SIGSEGV, 0, SIGSEGV, 0, SIGSEGV, 0}));
}

// A fault that is not ours goes where it went before.
TEST(FaultDeathTest, outside_of_a_call_ends_the_process_by_its_signal) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer's own handler takes the signal";
#endif
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        static_cast<void>(catch_fault([] {}));
        *forbidden() = 1;
      },
      testing::KilledBySignal(SIGSEGV), "");
  EXPECT_EXIT(
      {
        static_cast<void>(catch_fault([] {}));
        ::kill(::getpid(), SIGBUS);
        std::exit(0);
      },
      testing::KilledBySignal(SIGBUS), "");
}

TEST(FaultDeathTest, outside_of_a_call_goes_to_the_handler_of_the_host) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        struct sigaction host = {};
        host.sa_sigaction = [](int, siginfo_t* info, void*) {
          std::_Exit(info->si_addr == const_cast<char*>(forbidden()) ? 42 : 1);
        };
        host.sa_flags = SA_SIGINFO;
        ::sigaction(SIGSEGV, &host, nullptr);
        if (catch_fault([] { *forbidden() = 1; }) != SIGSEGV) std::_Exit(2);
        *forbidden() = 1;
      },
      testing::ExitedWithCode(42), "");
}

class CutOff : public TestWithFolder {
 protected:
  // A file of three pages, of ones.
  std::string pages() {
    const std::string path = this->path("file");
    std::ofstream(path) << std::string(3 * 4096, '\1');
    return path;
  }
};

int sum_of(std::span<const std::byte> bytes) {
  return std::accumulate(bytes.begin(), bytes.end(), 0,
                         [](int sum, std::byte b) { return sum + static_cast<int>(b); });
}

TEST_F(CutOff, a_mapped_file_reads_as_zeros_and_is_an_error) {
  const std::string path = pages();
  const auto file = MappedFile::open(path).take();
  const auto other = MappedFile::open(path).take();
  EXPECT_EQ(sum_of(file->bytes()), 3 * 4096);
  EXPECT_TRUE(file->check().ok());
  std::filesystem::resize_file(path, 4096);
  EXPECT_TRUE(is_whole(file->bytes())) << "nobody has read what is gone";
  EXPECT_EQ(sum_of(file->bytes()), 4096);
  EXPECT_EQ(file->check().error().message,
            path + ": was cut off while it was read, must stay as it is until then");
  EXPECT_EQ(file->check().error().kind, ErrorKind::BadFile);
  EXPECT_FALSE(is_whole(file->bytes().subspan(1, 2)));
  EXPECT_TRUE(is_whole(other->bytes())) << "nobody has looked at it";
  EXPECT_FALSE(other->check().ok());
}

// The rest of the last page reads as zeros without a fault.
TEST_F(CutOff, inside_the_last_page_is_an_error_too) {
  const std::string path = pages();
  const auto file = MappedFile::open(path).take();
  EXPECT_TRUE(file->check().ok());
  const int64_t before = broken_mappings();
  std::filesystem::resize_file(path, 3 * 4096 - 1);
  EXPECT_EQ(sum_of(file->bytes()), 3 * 4096 - 1);
  EXPECT_TRUE(is_whole(file->bytes())) << "nobody has looked at the length";
  EXPECT_EQ(broken_mappings(), before + 1);
  EXPECT_FALSE(is_whole(file->bytes()));
  EXPECT_FALSE(file->check().ok());
}

TEST_F(CutOff, a_file_that_grows_or_is_replaced_is_whole) {
  const std::string path = pages();
  const auto file = MappedFile::open(path).take();
  std::ofstream(path, std::ios::app) << "more";
  EXPECT_TRUE(file->check().ok());
  ASSERT_TRUE(write_file_atomic(path, "short").ok());
  EXPECT_TRUE(file->check().ok()) << "what is mapped is not the file of that name any more";
  EXPECT_EQ(sum_of(file->bytes()), 3 * 4096);
}

TEST_F(CutOff, a_file_is_looked_at_once_more_when_it_is_closed) {
  const std::string path = pages();
  auto file = MappedFile::open(path).take();
  const int64_t before = broken_mappings();
  std::filesystem::resize_file(path, 3 * 4096 - 1);
  file.reset();
  EXPECT_EQ(broken_mappings(), before + 1);
}

TEST_F(CutOff, another_file_in_its_place_is_whole) {
  const std::string path = pages();
  auto file = MappedFile::open(path).take();
  std::filesystem::resize_file(path, 0);
  EXPECT_EQ(sum_of(file->bytes()), 0);
  EXPECT_FALSE(file->check().ok());
  file.reset();
  file = MappedFile::open(pages()).take();
  EXPECT_EQ(sum_of(file->bytes()), 3 * 4096);
  EXPECT_TRUE(file->check().ok());
}

TEST_F(CutOff, also_in_compiled_code_the_reader_goes_on) {
  const std::string path = pages();
  const auto file = MappedFile::open(path).take();
  std::filesystem::resize_file(path, 0);
  int sum = -1;
  EXPECT_EQ(catch_fault([&] { sum = sum_of(file->bytes()); }), 0);
  EXPECT_EQ(sum, 0);
  EXPECT_FALSE(file->check().ok());
}

// The system reads what is written, and raises no fault where it finds nothing.
TEST_F(CutOff, a_mapped_file_cannot_be_written_and_the_error_says_why) {
  const std::string path = pages(), copy = this->path("copy");
  const auto file = MappedFile::open(path).take();
  std::filesystem::resize_file(path, 4096);
  const Status written =
      write_file_atomic(copy, [&](const Sink& sink) { return sink(file->bytes()); });
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().message,
            copy +
                ": is not written, as a file that its bytes come from was cut off while it was "
                "read, must stay as it is until then");
  EXPECT_EQ(written.error().kind, ErrorKind::BadFile);
  EXPECT_FALSE(std::filesystem::exists(copy));
}

TEST_F(CutOff, past_the_end_of_a_mapped_file_nobody_reads) {
  const auto file = MappedFile::open(pages()).take();
  volatile char seen = 0;
  const auto* const bytes = reinterpret_cast<const volatile char*>(file->bytes().data());
  EXPECT_EQ(catch_fault([&] { seen = bytes[3 * 4096]; }), SIGSEGV);
  EXPECT_EQ(catch_fault([&] { seen = bytes[-1]; }), SIGSEGV);
}

}  // namespace
}  // namespace tessera
