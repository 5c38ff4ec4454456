// SPDX-License-Identifier: Apache-2.0
// A locked-up process, tried from inside: what it can still do, what comes out of it, and what its
// parent does not believe. Skipped, by name, where the kernel has no sandbox.
#include "tools/sandbox/sandbox.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>
#include <thread>

#include "tests/tools/command_line.h"
#include "tools/sandbox/answer_frames.h"
#include "tools/sandbox/sandboxed.h"

namespace tessera::tools {
namespace {

using ::testing::HasSubstr;

class Sandbox : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const Status status = check_sandbox(); !status.ok()) GTEST_SKIP() << status.error().message;
  }
};

// The exit code of a process that locks itself up and then does this.
int inside(const std::function<int()>& act, std::span<const int> keep = {}) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(enter_sandbox(keep).ok() ? act() : 99);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

constexpr int kRefused = 0, kDone = 1, kOtherwise = 2;
int refused(long result) {
  if (result >= 0) return kDone;
  return errno == EPERM || errno == EACCES ? kRefused : kOtherwise;
}

TEST_F(Sandbox, no_file_is_opened_made_or_removed) {
  const std::string file = cli::path("outside"), other = cli::path("made_inside");
  cli::write_file(file, "as it was");
  EXPECT_EQ(inside([] { return refused(::open("/etc/passwd", O_RDONLY)); }), kRefused);
  EXPECT_EQ(inside([] { return refused(::open("/", O_PATH)); }), kRefused);
  EXPECT_EQ(inside([] { return refused(::open("/proc/self/mem", O_RDWR)); }), kRefused);
  EXPECT_EQ(inside([] { return refused(::syscall(SYS_open, "/etc/passwd", O_RDONLY)); }), kRefused);
  EXPECT_EQ(inside([&] { return refused(::open(file.c_str(), O_WRONLY | O_TRUNC)); }), kRefused);
  EXPECT_EQ(inside([&] { return refused(::open(other.c_str(), O_CREAT | O_WRONLY, 0600)); }),
            kRefused);
  EXPECT_EQ(inside([&] { return refused(::unlink(file.c_str())); }), kRefused);
  EXPECT_EQ(inside([&] { return refused(::rename(file.c_str(), other.c_str())); }), kRefused);
  EXPECT_EQ(inside([&] { return refused(::truncate(file.c_str(), 0)); }), kRefused);
  EXPECT_EQ(inside([&] { return refused(::mkdir(other.c_str(), 0700)); }), kRefused);
  EXPECT_EQ(inside([&] { return refused(::chdir("/")); }), kRefused);
  struct stat status;
  EXPECT_EQ(inside([&] { return refused(::stat(file.c_str(), &status)); }), kRefused);
  EXPECT_EQ(cli::read_file(file), "as it was");
  EXPECT_FALSE(cli::exists(other));
}

TEST_F(Sandbox, there_is_no_network) {
  for (const int domain : {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK})
    EXPECT_EQ(inside([&] { return refused(::socket(domain, SOCK_STREAM, 0)); }), kRefused)
        << domain;
  int pair[2];
  EXPECT_EQ(inside([&] { return refused(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair)); }), kRefused);
}

TEST_F(Sandbox, no_other_process_is_started_or_touched) {
  EXPECT_EQ(inside([] {
              char* const words[] = {const_cast<char*>("true"), nullptr};
              return refused(::execv("/bin/true", words));
            }),
            kRefused);
  EXPECT_EQ(inside([] { return refused(::syscall(SYS_fork)); }), kRefused);
  EXPECT_EQ(inside([] { return refused(::syscall(SYS_vfork)); }), kRefused);
  EXPECT_EQ(inside([] { return refused(::fork()); }), kRefused);
  EXPECT_EQ(inside([] { return refused(::kill(::getppid(), 0)); }), kRefused);
  EXPECT_EQ(inside([] { return refused(::syscall(SYS_tgkill, 1, 1, 0)); }), kRefused);
  EXPECT_EQ(inside([] { return refused(::ptrace(PTRACE_TRACEME, 0, 0, 0)); }), kRefused);
  EXPECT_EQ(inside([] { return refused(::syscall(SYS_process_vm_readv, 1, 0, 0, 0, 0, 0)); }),
            kRefused);
  EXPECT_EQ(inside([] { return refused(::syscall(SYS_unshare, 0x10000000)); }), kRefused);
  EXPECT_EQ(inside([] { return refused(::syscall(SYS_io_uring_setup, 1, nullptr)); }), kRefused);
  EXPECT_EQ(inside([] { return refused(::syscall(SYS_bpf, 0, nullptr, 0)); }), kRefused);
  EXPECT_EQ(inside([] { return refused(::syscall(SYS_memfd_create, "x", 0)); }), kRefused);
}

TEST_F(Sandbox, what_computing_needs_is_there) {
  EXPECT_EQ(inside([] {
              int sum = 0;
              std::thread([&sum] { sum = 41; }).join();
              return sum;
            }),
            41);
  EXPECT_EQ(inside([] {  // as a JIT does: written, then run
              const unsigned char code[] = {0xb8, 7, 0, 0, 0, 0xc3};  // mov eax, 7; ret
              void* page =
                  ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
              if (page == MAP_FAILED) return 1;
              std::memcpy(page, code, sizeof code);
              if (::mprotect(page, 4096, PROT_READ | PROT_EXEC) != 0) return 2;
#if defined(__x86_64__)
              return reinterpret_cast<int (*)()>(page)();
#else
              return 7;
#endif
            }),
            7);
  EXPECT_EQ(inside([]() -> int { std::abort(); }), 128 + SIGABRT);
}

TEST_F(Sandbox, a_descriptor_that_is_not_kept_is_closed) {
  int ends[2], others[2];
  ASSERT_EQ(::pipe(ends), 0);
  ASSERT_EQ(::pipe(others), 0);
  EXPECT_EQ(inside([&] { return ::write(others[1], "x", 1) < 0 && errno == EBADF ? 0 : 1; },
                   {&ends[1], 1}),
            0);
  EXPECT_EQ(inside([&] { return ::write(ends[1], "x", 1) == 1 ? 0 : 1; }, {&ends[1], 1}), 0);
  for (const int end : {ends[0], ends[1], others[0], others[1]}) ::close(end);
}

// A kernel without a part: a filter that was there before answers for it.
int without_call(int call, const std::function<int()>& act) {
  const pid_t child = ::fork();
  if (child == 0) {
    const scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), call, 0);
    ::_exit(seccomp_load(filter) == 0 ? act() : 98);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST_F(Sandbox, a_kernel_that_lacks_a_part_is_an_error_before_anything_runs) {
  const auto says = [](const char* part) {
    bool ran = false;
    const Status status = run_in_sandbox({}, {}, {}, [&](const WriteOutputs&) {
      ran = true;
      return Status();
    });
    const bool said = !status.ok() && status.error().message.find(part) != std::string::npos;
    return said && !ran ? 0 : 1;
  };
  EXPECT_EQ(without_call(SCMP_SYS(landlock_create_ruleset), [&] { return says("Landlock"); }), 0);
  EXPECT_EQ(without_call(SCMP_SYS(landlock_restrict_self), [&] { return says("Landlock"); }), 0);
  EXPECT_EQ(without_call(SCMP_SYS(close_range), [&] { return says("close_range"); }), 0);
}

// --- Out of the sandbox ---

NpyArray floats(size_t count) {
  return {"<f4", {static_cast<int64_t>(count)}, std::vector<std::byte>(4 * count, std::byte{1})};
}

TEST_F(Sandbox, answers_come_out_into_their_folders) {
  std::map<std::string, Arrays> written;
  const WriteOutputs write = [&](const Arrays& arrays, const std::string& folder) {
    written[folder] = arrays;
    return Status();
  };
  const Status status =
      run_in_sandbox({"a", "b"}, {}, write, [](const WriteOutputs& out) -> Status {
        TRY(out(
            {
                {"x",   floats(300'000)},
                {"y/0", floats(0)      }
        },
            "b"));
        return out({}, "a");
      });
  ASSERT_TRUE(status.ok()) << status.error().message;
  ASSERT_EQ(written.size(), 2u);
  EXPECT_TRUE(written["a"].empty());
  EXPECT_EQ(written["b"].at("x").bytes, floats(300'000).bytes);
  EXPECT_EQ(written["b"].at("y/0").shape, Shape{0});
}

TEST_F(Sandbox, an_error_keeps_its_words_and_its_kind) {
  const Status status = run_in_sandbox({}, {}, {}, [](const WriteOutputs&) -> Status {
    return Error{"x.popef: is bad", ErrorKind::BadFile};
  });
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message, "x.popef: is bad");
  EXPECT_EQ(status.error().kind, ErrorKind::BadFile);
}

TEST_F(Sandbox, a_process_that_dies_is_an_error) {
  const auto died = [](const std::function<void()>& act) {
    const Status status = run_in_sandbox({}, {}, {}, [&](const WriteOutputs&) {
      act();
      return Status();
    });
    return status.ok() ? "" : status.error().message;
  };
  EXPECT_THAT(died([] { ::raise(SIGKILL); }), HasSubstr("signal 9"));
  EXPECT_THAT(died([] { ::_exit(0); }), HasSubstr("without an answer"));
  EXPECT_THAT(died([] { throw std::bad_alloc(); }), HasSubstr("memory"));
}

TEST_F(Sandbox, what_is_not_an_answer_of_this_run_is_not_believed) {
  int wrote = 0;
  const WriteOutputs write = [&](const Arrays&, const std::string&) {
    ++wrote;
    return Status();
  };
  Limits limits;
  limits.memory = 1000;
  EXPECT_FALSE(run_in_sandbox({"a"}, limits, write, [](const WriteOutputs& out) {
                 return out({}, "b");  // another folder
               }).ok());
  EXPECT_FALSE(run_in_sandbox({"a"}, limits, write, [](const WriteOutputs& out) {
                 return out(
                     {
                         {"x", floats(1000)}
                 },
                     "a");  // more than the limit
               }).ok());
  EXPECT_EQ(wrote, 0);
  EXPECT_FALSE(run_in_sandbox({"a"}, limits, write, [](const WriteOutputs& out) -> Status {
                 TRY(out({}, "a"));
                 return out({}, "a");  // once more
               }).ok());
  EXPECT_EQ(wrote, 1);
}

TEST(AnswerFrames, every_cut_and_changed_byte_is_an_answer_or_an_error) {
  const std::string frame =
      arrays_frame(0, {
                          {"x", floats(3)                },
                          {"y", {"|b1", {2, 1}, {{}, {}}}}
  });
  const std::string body = frame.substr(sizeof(FrameHeader));
  ASSERT_EQ(parse_arrays(body)->at("y").shape, (Shape{2, 1}));
  const size_t first = parse_arrays(body)->size();
  EXPECT_EQ(first, 2u);
  size_t cuts = 0;
  for (size_t length = 1; length < body.size(); ++length)
    cuts += parse_arrays(body.substr(0, length)).ok() ? 1 : 0;
  EXPECT_EQ(cuts, 1u);  // after the first array
  for (size_t i = 0; i < body.size(); ++i)
    for (const int bit : {1, 0x80}) {
      std::string changed = body;
      changed[i] = static_cast<char>(changed[i] ^ bit);
      const auto arrays = parse_arrays(changed);
      if (!arrays.ok()) continue;
      for (const auto& [name, array] : *arrays)
        EXPECT_EQ(
            array.bytes.size() % static_cast<size_t>(std::max<int64_t>(elements(array.shape), 1)),
            0u);
    }
}

}  // namespace
}  // namespace tessera::tools
