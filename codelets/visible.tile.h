// SPDX-License-Identifier: Apache-2.0
// The keys that a run of queries sees, as runs of neighbouring keys. Attention then touches no
// other: a key that is masked out cannot change a bit, whatever stands there, and costs nothing.
#pragma once

#include "codelets/attention.h"
#include "codelets/vector.tile.h"

namespace tessera {

struct KeyRun {
  int64_t begin, end;
};

struct Visible {
  KeyRun* runs;
  int64_t count;
  int64_t first() const { return runs[0].begin; }
  int64_t size() const { return count == 0 ? 0 : runs[count - 1].end - first(); }
};

// The keys whose value `sees` accepts. `runs` must hold one run for every two keys, rounded up.
template <class Sees>
Visible visible_runs(const int* keys, int64_t count, KeyRun* runs, Sees sees) {
  Visible visible{runs, 0};
  for (int64_t key = 0; key < count; ++key) {
    if (!sees(keys[key])) continue;
    const bool goes_on = visible.count > 0 && runs[visible.count - 1].end == key;
    if (!goes_on) runs[visible.count++] = {key, key};
    runs[visible.count - 1].end = key + 1;
  }
  return visible;
}

inline Visible visible_prefix(int64_t count, KeyRun* runs) {
  runs[0] = {0, count};
  return {runs, count > 0 ? 1 : 0};
}

}  // namespace tessera
