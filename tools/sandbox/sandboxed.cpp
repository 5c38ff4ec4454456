// SPDX-License-Identifier: Apache-2.0
#include "tools/sandbox/sandboxed.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <set>
#include <string_view>

#include "support/descriptor.h"
#include "support/guard.h"
#include "tools/print/print.h"
#include "tools/sandbox/answer_frames.h"
#include "tools/sandbox/sandbox.h"

namespace tessera::tools {
namespace {

constexpr size_t kMostPrinted = size_t{64} << 20;  // on stdout and on stderr
constexpr uint64_t kMostMessage = uint64_t{1} << 20;

struct Pipe {
  Descriptor read, write;
  Status open() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
      return Error{std::string("--sandbox: no pipe: ") + std::strerror(errno)};
    read.reset(ends[0]);
    write.reset(ends[1]);
    return {};
  }
};

struct Pipes {
  Pipe answers, out, err;
  Status open() {
    TRY(answers.open());
    TRY(out.open());
    return err.open();
  }
};

// --- In the sandbox ---

Status send(int pipe, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::write(pipe, bytes.data(), bytes.size());
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return Error{"--sandbox: nobody takes the answers"};
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return {};
}

using Work = std::function<Status(const WriteOutputs& write)>;

Status work_locked_up(Pipes& pipes, const std::vector<std::string>& folders, const Work& work) {
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (nothing < 0 || ::dup2(nothing, STDIN_FILENO) < 0 ||
      ::dup2(pipes.out.write.get(), STDOUT_FILENO) < 0 ||
      ::dup2(pipes.err.write.get(), STDERR_FILENO) < 0)
    return Error{std::string("--sandbox: no descriptors: ") + std::strerror(errno)};
  const int answers = pipes.answers.write.get();
  TRY(enter_sandbox(std::span(&answers, 1)));
  return work([&](const Arrays& arrays, const std::string& folder) -> Status {
    for (size_t i = 0; i < folders.size(); ++i)
      if (folders[i] == folder)
        return send(answers, arrays_frame(static_cast<uint32_t>(i), arrays));
    return Error{folder + ": is not a folder of this run"};
  });
}

[[noreturn]] void be_the_child(Pipes& pipes, const std::vector<std::string>& folders, pid_t parent,
                               const Work& work) {
  ::signal(SIGPIPE, SIG_IGN);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);  // it went before that was asked for
  const Status done = guarded("--sandbox", [&] { return work_locked_up(pipes, folders, work); });
  std::fflush(stdout);
  std::fflush(stderr);
  // If nobody reads it, nobody asks.
  ::_exit(send(pipes.answers.write.get(), done_frame(done)).ok() ? 0 : 1);
}

// --- Outside ---

void print_lines(std::string_view text) { print("{}", Lines{text}); }
void print_error_lines(std::string_view text) { print_error("{}", Lines{text}); }

// Prints what comes through a pipe, by whole lines, so that no character is cut in two.
class Printed {
 public:
  explicit Printed(void (*print)(std::string_view)) : print_(print) {}
  Status take(std::string_view bytes) {
    bytes_ += bytes.size();
    if (bytes_ > kMostPrinted)
      return Error{fmt::format("--sandbox: more than {} bytes were printed", kMostPrinted)};
    const size_t end = bytes.rfind('\n');  // what waits has none
    if (end == std::string::npos) {
      waiting_ += bytes;
      return {};
    }
    print_(waiting_.append(bytes.substr(0, end + 1)));
    waiting_ = bytes.substr(end + 1);
    return {};
  }
  void finish() const { print_(waiting_); }

 private:
  void (*print_)(std::string_view);
  std::string waiting_;
  size_t bytes_ = 0;
};

// Frames, as they come in pieces.
class Answers {
 public:
  Answers(const std::vector<std::string>& folders, const Limits& limits, const WriteOutputs& write)
      : folders_(folders), limits_(limits), write_(write) {}

  Status take(std::string_view bytes) {
    waiting_ += bytes;
    while (waiting_.size() >= sizeof(FrameHeader)) {
      FrameHeader header;
      std::memcpy(&header, waiting_.data(), sizeof header);
      TRY(check(header));
      if (waiting_.size() - sizeof header < header.bytes) return {};
      TRY(take_frame(header, std::string_view(waiting_).substr(sizeof header, header.bytes)));
      waiting_.erase(0, sizeof header + header.bytes);
    }
    return {};
  }
  // The work's own status, once all of its output was taken.
  const std::optional<Status>& done() const { return done_; }

 private:
  Status check(const FrameHeader& header) const {
    if (done_) return Error{"--sandbox: an answer came after the last"};
    const bool is_arrays = header.kind == static_cast<uint32_t>(FrameKind::Arrays);
    if (!is_arrays && header.bytes > kMostMessage) return Error{"--sandbox: a message is too long"};
    if (!is_arrays) return {};
    if (header.number >= folders_.size() || written_.contains(header.number))
      return Error{"--sandbox: an answer is for a folder that is not this run's, or has one"};
    return check_limit(limits_, &Limits::memory,
                       static_cast<int64_t>(std::min<uint64_t>(header.bytes, INT64_MAX)),
                       "--sandbox: answers");
  }

  Status take_frame(const FrameHeader& header, std::string_view body) {
    if (header.kind == static_cast<uint32_t>(FrameKind::Done)) {
      done_ = parse_done(header.number, body);
      return {};
    }
    if (header.kind != static_cast<uint32_t>(FrameKind::Arrays))
      return Error{"--sandbox: an answer is of a kind that there is not"};
    written_.insert(header.number);
    return write_(TRY(parse_arrays(body)), folders_[header.number]);
  }

  const std::vector<std::string>& folders_;
  const Limits& limits_;
  const WriteOutputs& write_;
  std::string waiting_;
  std::set<uint32_t> written_;
  std::optional<Status> done_;
};

struct Reader {
  int descriptor;
  std::function<Status(std::string_view)> take;
};

// Until every pipe is closed.
Status read_all(std::array<Reader, 3> readers) {
  std::vector<char> buffer(size_t{1} << 16);
  for (int open = 3; open > 0;) {
    std::array<pollfd, 3> waits{};
    for (size_t i = 0; i < 3; ++i) waits[i] = {readers[i].descriptor, POLLIN, 0};
    if (::poll(waits.data(), waits.size(), -1) < 0) continue;  // a signal
    for (size_t i = 0; i < 3; ++i) {
      if (waits[i].revents == 0) continue;
      const ssize_t got = ::read(waits[i].fd, buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) {
        readers[i].descriptor = -1;
        --open;
        continue;
      }
      TRY(readers[i].take({buffer.data(), static_cast<size_t>(got)}));
    }
  }
  return {};
}

Status ended_without_word(int status) {
  if (WIFSIGNALED(status))
    return Error{
        fmt::format("--sandbox: the process that runs the file was ended by signal {} ({})",
                    WTERMSIG(status), ::strsignal(WTERMSIG(status)))};
  return Error{"--sandbox: the process that runs the file ended without an answer"};
}

}  // namespace

Status run_in_sandbox(const std::vector<std::string>& folders, const Limits& limits,
                      const WriteOutputs& write, const Work& work) {
  TRY(check_sandbox());
  Pipes pipes;
  TRY(pipes.open());
  std::fflush(stdout);
  std::fflush(stderr);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return Error{std::string("--sandbox: no process: ") + std::strerror(errno)};
  if (child == 0) be_the_child(pipes, folders, parent, work);

  for (Pipe* pipe : {&pipes.answers, &pipes.out, &pipes.err}) pipe->write.close();
  Answers answers(folders, limits, write);
  Printed out(print_lines), err(print_error_lines);
  Status taken = guarded("--sandbox", [&] {
    return read_all({
        Reader{pipes.answers.read.get(),
               [&](std::string_view bytes) { return answers.take(bytes); }                      },
        Reader{pipes.out.read.get(),     [&](std::string_view bytes) { return out.take(bytes); }},
        Reader{pipes.err.read.get(),     [&](std::string_view bytes) { return err.take(bytes); }}
    });
  });
  out.finish();
  err.finish();
  if (!taken.ok()) ::kill(child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  TRY(taken);
  return answers.done() ? *answers.done() : ended_without_word(status);
}

}  // namespace tessera::tools
