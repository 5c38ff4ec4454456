// SPDX-License-Identifier: Apache-2.0
// How far long work has come, on stderr: what is done now, for how long, and how long it will take.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "support/expected.h"

namespace tessera::tools {

enum class ProgressKind : uint8_t {
  None,
  Plain,  // a line for each step, and one a second within it
  Bar,    // one line, rewritten four times a second
  Json,   // an object a line: {"what", "now", "done", "all", "seconds"}
};

// "none", "plain", "bar", "json"; "auto": Bar on a terminal, Plain on one that cannot rewrite a
// line (TERM is dumb or not set), None where stderr is not a terminal. Others are Usage errors.
Expected<ProgressKind> parse_progress(std::string_view word);
// For all that begin later; until then None.
void set_progress(ProgressKind kind);

// One piece of work, from its construction to its end. At most one at a time, and none while the
// process forks: Bar has a thread.
class Progress {
 public:
  explicit Progress(std::string what);
  ~Progress();  // takes the line away
  void step(const std::string& now);
  // `done` of `all` equal parts are done.
  void step(const std::string& now, int64_t done, int64_t all);

 private:
  class Line;
  std::unique_ptr<Line> line_;  // null: None
};

}  // namespace tessera::tools
