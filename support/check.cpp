// SPDX-License-Identifier: Apache-2.0
#include "support/check.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace tessera {
namespace {

// The words of this process, with spaces between them, cut where they fill `text`. Allocates
// nothing: the process may be out of memory.
void read_command(char* text, size_t size) {
  const int file = ::open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
  const ssize_t got = file < 0 ? 0 : ::read(file, text, size - 1);
  if (file >= 0) ::close(file);
  size_t length = got > 0 ? static_cast<size_t>(got) : 0;
  while (length > 0 && text[length - 1] == '\0') --length;
  for (size_t i = 0; i < length; ++i) {
    if (text[i] == '\0') text[i] = ' ';
    if (text[i] < ' ' || text[i] > '~') text[i] = '?';
  }
  text[length] = '\0';
}

constexpr const char* kReport =
    "This is a mistake of Tessera, not of its user. Please report it as CONTRIBUTING.md says, with "
    "these lines and the input:";

int write_report(char* text, size_t size, const char* what) {
  char command[1024];
  read_command(command, sizeof command);
  return std::snprintf(text, size, "internal error: %s\n%s\n  version: %s\n  command: %s", what,
                       kReport, TESSERA_VERSION, command);
}

}  // namespace

void check_failed(const char* condition, const char* file, int line) {
  char what[1024], text[4096];
  std::snprintf(what, sizeof what, "%s does not hold (%s:%d)", condition, file, line);
  write_report(text, sizeof text, what);
  std::fprintf(stderr, "tessera: %s\n", text);
  std::abort();
}

std::string internal_error(std::string_view what) {
  char text[4096];
  write_report(text, sizeof text, std::string(what.substr(0, 2048)).c_str());
  return text;
}

}  // namespace tessera
