// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace tessera {

struct Story {
  std::string name, text;
};

inline void PrintTo(const Story& story, std::ostream* out) { *out << story.text; }

// ops.ir: graphs, one after the other; each is named for what it shows.
std::vector<Story> read_stories();

}  // namespace tessera
