// SPDX-License-Identifier: Apache-2.0
// A trace as a reader of Perfetto's format sees it: tracks, and on each its slices, instants and
// values. These are failures of the test: events of a track out of order, slices
// that do not nest, a name that is not plain text, a number that nothing described.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera {

struct SeenNote {
  int64_t whole = 0;
  double real = 0;
  std::vector<std::string> texts;
};

struct SeenSlice {
  std::string name;
  int64_t begin = 0, end = 0;
  size_t depth = 0;
  bool instant = false;
  std::map<std::string, SeenNote> notes;
  std::set<uint64_t> flows, ending;
};

struct SeenTrack {
  std::string name, process;
  int64_t pid = 0, tid = 0;
  bool counter = false;
  std::vector<SeenSlice> slices;  // in the order of their begins
  std::vector<std::pair<int64_t, int64_t>> values;
};

struct SeenTrace {
  std::vector<SeenTrack> tracks;
  std::set<std::string> processes;

  // The tracks of this name, in every process.
  std::vector<const SeenTrack*> named(std::string_view name) const;
  const SeenTrack& only(std::string_view name) const;
};

SeenTrace see_trace(const std::string& bytes);

}  // namespace tessera
