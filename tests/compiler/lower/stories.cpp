// SPDX-License-Identifier: Apache-2.0
#include "tests/compiler/lower/stories.h"

#include "support/file.h"
#include "tests/helpers/paths.h"

namespace tessera {

std::vector<Story> read_stories() {
  const Expected<std::string> file =
      read_text_file(tessera::test::source_dir() + "/tests/compiler/lower/ops.ir");
  if (!file.ok()) return {};
  const std::string& text = *file;
  const std::string begin = "graph @";
  std::vector<Story> stories;
  for (size_t at = text.find(begin); at != std::string::npos;) {
    const size_t end = text.find(begin, at + 1);
    const size_t name = at + begin.size();
    stories.push_back({text.substr(name, text.find('(', name) - name), text.substr(at, end - at)});
    at = end;
  }
  return stories;
}

}  // namespace tessera
