// SPDX-License-Identifier: Apache-2.0
#include "tools/print/print.h"

#include <atomic>
#include <cerrno>
#include <cstdio>

namespace tessera::tools {

namespace {

std::atomic<int> failed = 0;  // errno of the first failure of stdout

void note_failure() {
  int none = 0;
  failed.compare_exchange_strong(none, errno == 0 ? EIO : errno);
}

std::string path_of_output;  // what stdout stands in for; "": nothing

std::atomic<bool> status_shown = false;  // write_status's line is the last on stderr

void clear_status() {
  if (!status_shown.exchange(false)) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
}

}  // namespace

void write_out(std::string_view text) {
  clear_status();
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) note_failure();
}

void tell_on_stderr(const std::string& path) { path_of_output = path; }

void write_told(std::string_view text) {
  if (path_of_output.empty()) return write_out(text);
  std::string told(text);
  for (size_t at = 0; (at = told.find(path_of_output, at)) != std::string::npos; ++at)
    told.replace(at, path_of_output.size(), "-");
  write_error(told);
}

int output_error() {
  if (std::fflush(stdout) != 0) note_failure();
  return failed;
}

void write_error(std::string_view text) {
  clear_status();
  std::fwrite(text.data(), 1, text.size(), stderr);
}

void write_status(std::string_view line) {
  clear_status();
  if (line.empty()) return;
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fflush(stderr);
  status_shown = true;
}

}  // namespace tessera::tools
