// SPDX-License-Identifier: Apache-2.0
#include "program/overlap.h"

#include <algorithm>
#include <optional>

#include "support/math.h"

namespace tessera {
namespace {

// How many elements of a box lie below a place in memory.
class Below {
 public:
  explicit Below(const MergedBox& merged) : box_(merged.box), stride_(box_.size()) {
    int64_t view = 1, held = 1;
    for (size_t d = box_.size(); d-- > 0;) {
      stride_[d] = {view, held};
      view *= merged.view[d];
      held *= box_[d].size();
    }
  }

  int64_t operator()(int64_t limit) const {
    int64_t below = 0;
    for (size_t d = 0; d < box_.size(); ++d) {
      const auto& [view, held] = stride_[d];
      const int64_t digit = limit / view;
      limit -= digit * view;
      below += (std::clamp(digit, box_[d].begin, box_[d].end) - box_[d].begin) * held;
      if (digit < box_[d].begin || digit >= box_[d].end) break;
    }
    return below;
  }

 private:
  struct Stride {
    int64_t view = 0, held = 0;  // elements of one index: in memory, and in the box
  };
  const Box& box_;
  PerDim<Stride> stride_;
};

int64_t overlap_by_runs(const MergedBox& a, const MergedBox& b) {
  if (run_count(a) > run_count(b)) return overlap_by_runs(b, a);
  const Below below(b);
  int64_t count = 0;
  for_each_run(a, [&](int64_t begin, int64_t end) { count += below(end) - below(begin); });
  return count;
}

int64_t common(const Range& a, const Range& b) {
  return std::max<int64_t>(0, std::min(a.end, b.end) - std::max(a.begin, b.begin));
}

// By arithmetic, if the views are the same but for dimensions of one; -1 if they are not.
int64_t overlap_in_view(const Shape& view_a, const Box& a, const Shape& view_b, const Box& b) {
  int64_t count = 1;
  size_t i = 0, j = 0;
  while (true) {
    while (i < view_a.size() && view_a[i] == 1) ++i;
    while (j < view_b.size() && view_b[j] == 1) ++j;
    if (i == view_a.size() || j == view_b.size()) break;
    if (view_a[i] != view_b[j]) return -1;
    count *= common(a[i++], b[j++]);
  }
  return i == view_a.size() && j == view_b.size() ? count : -1;
}

// The mapping with its dimensions merged: an uncut dimension belongs to the one outside it.
struct MergedMapping {
  Shape view, block, counts;  // counts: blocks per dimension
};

MergedMapping merge(const Mapping& mapping) {
  MergedMapping merged;
  for (size_t d = 0; d < mapping.view.size(); ++d) {
    const int64_t extent = mapping.view[d];
    const int64_t block = std::min(mapping.block[d], extent);
    if (block == extent && !merged.view.empty()) {
      merged.view.back() *= extent;
      merged.block.back() *= extent;
    } else if (!merged.view.empty() && merged.view.back() == 1) {
      merged.view.back() = extent;
      merged.block.back() = block;
    } else {
      merged.view.push_back(extent);
      merged.block.push_back(block);
    }
  }
  if (merged.view.empty()) merged = {{1}, {1}, {}};
  for (size_t d = 0; d < merged.view.size(); ++d)
    merged.counts.push_back((merged.view[d] + merged.block[d] - 1) / merged.block[d]);
  return merged;
}

class SourceCounter {
 public:
  explicit SourceCounter(const Mapping& mapping)
      : mapping_(merge(mapping)), inner_(row_major_strides(mapping_.view)) {}

  // Counts [begin, end) of dimension `dim` and those inside it, `times` times; `block` is the
  // number of the block along the dimensions outside.
  void add(size_t dim, int64_t block, int64_t begin, int64_t end, int64_t times) {
    block *= mapping_.counts[dim];
    const int64_t size = mapping_.block[dim];
    if (dim + 1 == mapping_.view.size()) {
      for (int64_t k = begin / size; k * size < end; ++k) {
        const int64_t part = std::min(end, (k + 1) * size) - std::max(begin, k * size);
        const bool whole_rows = part == std::min(mapping_.view[dim], (k + 1) * size) - k * size;
        emit(block + k, times * part, whole_rows ? 1 : times);
      }
      return;
    }
    const int64_t inner = inner_[dim];
    int64_t row = begin / inner;
    if (const int64_t skip = begin - row * inner; skip > 0) {
      add(dim + 1, block + row / size, skip, std::min(end - row * inner, inner), times);
      ++row;
    }
    const int64_t last = end / inner;
    while (row < last) {  // whole rows, those of one block at once
      const int64_t next = std::min(last, (row / size + 1) * size);
      add(dim + 1, block + row / size, 0, inner, times * (next - row));
      row = next;
    }
    if (row == last && end > last * inner)
      add(dim + 1, block + row / size, 0, end - last * inner, times);
  }

  std::vector<Source> take() {
    const auto by_block = [](const Source& a, const Source& b) { return a.block < b.block; };
    if (std::is_sorted(found_.begin(), found_.end(), by_block)) return std::move(found_);
    std::sort(found_.begin(), found_.end(), by_block);
    size_t kept = 0;
    for (size_t i = 1; i < found_.size(); ++i) {
      if (found_[i].block == found_[kept].block)
        found_[kept].elements += found_[i].elements, found_[kept].runs += found_[i].runs;
      else
        found_[++kept] = found_[i];
    }
    found_.resize(kept + 1);
    return std::move(found_);
  }

 private:
  void emit(int64_t block, int64_t count, int64_t runs) {
    if (!found_.empty() && found_.back().block == block)
      found_.back().elements += count, found_.back().runs += runs;
    else
      found_.push_back({block, count, runs});
  }

  MergedMapping mapping_;
  Shape inner_;
  std::vector<Source> found_;
};

// The box in the mapping's own view, where the two differ in dimensions of one element alone.
std::optional<Box> in_view_of(const Mapping& mapping, const Shape& view, const Box& box) {
  Box same;
  size_t d = 0;
  for (const int64_t extent : mapping.view) {
    while (d < view.size() && view[d] == 1 && extent != 1) ++d;
    if (d < view.size() && view[d] == extent)
      same.push_back(box[d++]);
    else if (extent == 1)
      same.push_back({0, 1});
    else
      return std::nullopt;
  }
  while (d < view.size() && view[d] == 1) ++d;
  if (d < view.size()) return std::nullopt;
  return same;
}

std::vector<Source> sources_in_view(const Mapping& mapping, const Box& box) {
  std::vector<Source> sources{
      {0, 1, 1}
  };
  for (size_t d = 0; d < box.size(); ++d) {
    const int64_t size = mapping.block[d];
    const int64_t blocks = ceil_div(mapping.view[d], size);
    std::vector<Source> next;
    for (const Source& outer : sources) {
      for (int64_t k = box[d].begin / size; k * size < box[d].end; ++k) {
        const int64_t end = std::min(mapping.view[d], (k + 1) * size);
        const int64_t part = std::min(box[d].end, end) - std::max(box[d].begin, k * size);
        // All of the block's extent leaves the runs of the dimensions outside as they are.
        const int64_t runs = part == end - k * size ? outer.runs : outer.elements;
        next.push_back({outer.block * blocks + k, outer.elements * part, runs});
      }
    }
    sources = std::move(next);
  }
  return sources;
}

}  // namespace

MergedBox merge(const Shape& view, const Box& box) {
  // From the inside out; a dimension joins the one inside it when that is whole, or when it holds
  // one index itself.
  MergedBox merged{{1}, {Range{0, 1}}};
  for (size_t d = view.size(); d-- > 0;) {
    int64_t& extent = merged.view.back();
    Range& inner = merged.box.back();
    if (inner.size() == extent) {
      inner = {box[d].begin * extent, box[d].end * extent};
      extent *= view[d];
    } else if (box[d].size() == 1) {
      inner = {box[d].begin * extent + inner.begin, box[d].begin * extent + inner.end};
      extent *= view[d];
    } else {
      merged.view.push_back(view[d]);
      merged.box.push_back(box[d]);
    }
  }
  std::reverse(merged.view.begin(), merged.view.end());
  std::reverse(merged.box.begin(), merged.box.end());
  return merged;
}

int64_t run_count(const MergedBox& box) { return elements(box.box) / box.box.back().size(); }

int64_t overlap(const Shape& view_a, const Box& a, const Shape& view_b, const Box& b) {
  if (elements(a) == 0 || elements(b) == 0) return 0;
  const int64_t count = overlap_in_view(view_a, a, view_b, b);
  return count >= 0 ? count : overlap_by_runs(merge(view_a, a), merge(view_b, b));
}

bool covers(const Shape& outer_view, const Box& outer, const Shape& inner_view, const Box& inner) {
  const int64_t wanted = elements(inner);
  return elements(outer) >= wanted && overlap(outer_view, outer, inner_view, inner) == wanted;
}

std::vector<Source> sources_of(const Mapping& mapping, const Shape& view, const Box& box) {
  if (elements(box) == 0) return {};
  if (const std::optional<Box> same = in_view_of(mapping, view, box))
    return sources_in_view(mapping, *same);
  SourceCounter counter(mapping);
  for_each_run(view, box, [&](int64_t begin, int64_t end) { counter.add(0, 0, begin, end, 1); });
  return counter.take();
}

int64_t comparison_steps(const Mapping& mapping, const Shape& view, const Box& box) {
  if (elements(box) == 0) return 1;
  if (const std::optional<Box> same = in_view_of(mapping, view, box)) {
    int64_t blocks = 1;  // arithmetic on each dimension
    for (size_t d = 0; d < same->size(); ++d)
      blocks *= ((*same)[d].end - 1) / mapping.block[d] - (*same)[d].begin / mapping.block[d] + 1;
    return 1 + blocks;
  }
  const MergedBox merged = merge(view, box);
  const int64_t run = merged.box.back().size();
  const int64_t cut = merge(mapping).block.back();
  return run_count(merged) * (2 + 2 * (run / cut));
}

}  // namespace tessera
