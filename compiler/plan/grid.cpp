// SPDX-License-Identifier: Apache-2.0
#include "compiler/plan/grid.h"

#include <algorithm>

#include "support/check.h"

namespace tessera {

std::vector<int64_t> block_sizes(int64_t size, int64_t most_parts, int64_t grain) {
  CHECK(size > 0 && grain > 0);
  std::vector<int64_t> sizes{size};
  const int64_t parts = std::min(most_parts, ceil_div(size, grain));
  for (int64_t p = 2; p <= parts; ++p) {
    const int64_t block = std::min(size, round_up(ceil_div(size, p), grain));
    if (block != sizes.back()) sizes.push_back(block);
  }
  return sizes;
}

std::vector<int64_t> dividing_block_sizes(int64_t size, int64_t most_parts, int64_t grain) {
  std::vector<int64_t> sizes{size}, small;
  const auto take = [&](int64_t parts, std::vector<int64_t>& list) {
    if (parts > 1 && parts <= most_parts && (size / parts) % grain == 0)
      list.push_back(size / parts);
  };
  for (int64_t divisor = 1; divisor * divisor <= size; ++divisor) {
    if (size % divisor != 0) continue;
    take(divisor, sizes);
    if (divisor * divisor != size) take(size / divisor, small);
  }
  sizes.insert(sizes.end(), small.rbegin(), small.rend());
  return sizes;
}

namespace {

// Depth first over the dimensions, outermost first.
struct Search {
  const Shape& view;
  const std::vector<std::vector<int64_t>>& candidates;
  std::vector<int64_t> blocks, best;
  int64_t best_elements = -1;

  bool much_better(int64_t elements) const {
    return best_elements < 0 || elements * 10 < best_elements * 9;
  }

  void visit(size_t dim, int64_t tiles, int64_t elements) {
    if (dim == view.size()) {
      best_elements = elements;
      best = blocks;
      return;
    }
    const std::vector<int64_t>& sizes = candidates[dim];
    // Finest first: the first cut found has its inner dimensions whole, and another must be worth
    // the fragments that it makes.
    for (auto block = sizes.rbegin(); block != sizes.rend(); ++block) {
      const int64_t count = ceil_div(view[dim], *block);
      if (count > tiles) continue;
      if (dim + 1 == view.size() && !much_better(elements * *block)) return;
      blocks[dim] = *block;
      visit(dim + 1, tiles / count, elements * *block);
    }
  }
};

}  // namespace

std::vector<int64_t> choose_blocks(const Shape& view,
                                   const std::vector<std::vector<int64_t>>& candidates,
                                   int64_t tiles) {
  CHECK(candidates.size() == view.size() && !view.empty() && tiles > 0);
  Search search{view, candidates, view, view};
  search.visit(0, tiles, 1);
  return search.best;
}

namespace {

// Launching a vertex costs about as much as work on this many elements; and the reader of a tensor
// of many small blocks has as many messages to receive.
constexpr int64_t kSmallBlock = 64;
constexpr int64_t kLeastTiles = 4;

int64_t worthwhile_tiles(const Shape& view, int64_t tiles) {
  return std::min(tiles, std::max(kLeastTiles, elements(view) / kSmallBlock));
}

}  // namespace

std::vector<int64_t> even_blocks(const Shape& view, int64_t tiles, int64_t grain) {
  tiles = worthwhile_tiles(view, tiles);
  std::vector<std::vector<int64_t>> candidates;
  for (size_t dim = 0; dim < view.size(); ++dim) {
    candidates.push_back(block_sizes(view[dim], tiles, dim + 1 == view.size() ? grain : 1));
  }
  return choose_blocks(view, candidates, tiles);
}

std::vector<int64_t> blocks_within(const Shape& view, int64_t columns_of_partials, int64_t tiles) {
  const int64_t cuts = ceil_div(view[1], columns_of_partials);
  const int64_t row_parts = std::max<int64_t>(1, worthwhile_tiles(view, tiles) / cuts);
  return {ceil_div(view[0], row_parts), columns_of_partials};
}

std::vector<int64_t> block_counts(const Shape& view, const std::vector<int64_t>& block) {
  std::vector<int64_t> counts;
  for (size_t dim = 0; dim < view.size(); ++dim) counts.push_back(ceil_div(view[dim], block[dim]));
  return counts;
}

}  // namespace tessera
