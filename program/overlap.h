// SPDX-License-Identifier: Apache-2.0
// Where boxes of one variable meet. Both are sets of elements of the same row-major memory. In the
// same view that is arithmetic on each dimension. In different views a box is a list of contiguous
// runs of memory, and how much of a run another box or a mapping holds is arithmetic again; so the
// work is the number of runs of the box that has fewer, never the number of elements.
#pragma once

#include <vector>

#include "program/boxes.h"
#include "program/program.h"

namespace tessera {

// A box with its dimensions merged wherever that changes no element's place in memory: as few
// dimensions as say the same, so its last range is a maximal contiguous run.
struct MergedBox {
  PerDim<int64_t> view;
  Box box;
};
MergedBox merge(const Shape& view, const Box& box);

int64_t run_count(const MergedBox& box);

// Calls with each maximal contiguous run [begin, end) of the box, in increasing order.
template <class Call>
void for_each_run(const MergedBox& merged, Call&& call) {
  const auto& [view, box] = merged;
  if (elements(box) == 0) return;
  const size_t last = box.size() - 1;
  Position at;
  for (const Range& range : box) at.push_back(range.begin);
  while (true) {
    int64_t row = 0;
    for (size_t d = 0; d < last; ++d) row = (row + at[d]) * view[d + 1];
    call(row + box[last].begin, row + box[last].end);
    size_t d = last;
    while (d > 0 && ++at[d - 1] == box[d - 1].end) {
      at[d - 1] = box[d - 1].begin;
      --d;
    }
    if (d == 0) return;
  }
}
template <class Call>
void for_each_run(const Shape& view, const Box& box, Call&& call) {
  for_each_run(merge(view, box), call);
}

bool covers(const Shape& outer_view, const Box& outer, const Shape& inner_view, const Box& inner);
// Elements that both hold.
int64_t overlap(const Shape& view_a, const Box& a, const Shape& view_b, const Box& b);

// A mapped block, how many elements of a box lie in it, and in how many runs of the block's memory,
// row-major, at most: where box and mapping have different views, neighbouring runs may count
// apart.
struct Source {
  int64_t block = 0;
  int64_t elements = 0;
  int64_t runs = 0;
  bool operator==(const Source&) const = default;
};
// The mapped blocks that share elements with the box, in increasing order.
std::vector<Source> sources_of(const Mapping& mapping, const Shape& view, const Box& box);

// At most this many steps for what sources_of or overlap does with such a box: what the verifier
// adds up to refuse a Program that would keep its reader busy for ever.
int64_t comparison_steps(const Mapping& mapping, const Shape& view, const Box& box);

}  // namespace tessera
