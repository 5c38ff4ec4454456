// SPDX-License-Identifier: Apache-2.0
#include "tools/print.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "tools/verb.h"

namespace tessera::tools {

namespace {

int failed = 0;  // errno of the first failure of stdout

void note_failure() {
  if (failed == 0) failed = errno == 0 ? EIO : errno;
}

}  // namespace

void write_out(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) note_failure();
}

int output_error() {
  if (std::fflush(stdout) != 0) note_failure();
  return failed;
}

void write_error(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); }

Progress::Progress(std::string what)
    : what_(std::move(what)), terminal_(isatty(STDERR_FILENO)), start_(now_seconds()) {}

Progress::~Progress() {
  if (terminal_) write_error("\r\033[K");
}

void Progress::step(const std::string& now) {
  if (!terminal_) return;
  print_error("{}{}: {} … {:.1f} s", Picture{"\r\033[K"}, what_, now, now_seconds() - start_);
  std::fflush(stderr);
}

}  // namespace tessera::tools
