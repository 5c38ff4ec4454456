// SPDX-License-Identifier: Apache-2.0
#include "tools/print.h"

#include <unistd.h>

#include <cstdio>

#include "tools/verb.h"

namespace tessera::tools {

void write_out(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }
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
