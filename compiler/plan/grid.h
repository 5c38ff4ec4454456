// SPDX-License-Identifier: Apache-2.0
// How to cut a tensor into blocks, one a tile. A cut is a block size per dimension; as the machine
// waits for its largest block, the best cut is the one whose largest block is smallest.
#pragma once

#include <cstdint>
#include <vector>

#include "support/math.h"
#include "support/type.h"

namespace tessera {

// Every block size that some number of equal parts, at most `most_parts`, would have, each rounded
// up to a multiple of `grain` (or `size` whole); largest first.
std::vector<int64_t> block_sizes(int64_t size, int64_t most_parts, int64_t grain = 1);
// The same, of those that divide `size`.
std::vector<int64_t> dividing_block_sizes(int64_t size, int64_t most_parts, int64_t grain = 1);

// One block size per dimension out of `candidates` (each largest first, the first one whole), with
// at most `tiles` blocks, so that the largest block has few elements; the inner dimensions stay
// whole unless a tenth is won. The view has at least one dimension.
std::vector<int64_t> choose_blocks(const Shape& view,
                                   const std::vector<std::vector<int64_t>>& candidates,
                                   int64_t tiles);
// choose_blocks with any block sizes, the last dimension's a multiple of `grain`; a small tensor
// takes fewer tiles.
std::vector<int64_t> even_blocks(const Shape& view, int64_t tiles, int64_t grain);

// Blocks of [rows, columns] for a sum of partials that are cut every `columns_of_partials` columns:
// each lies within one cut, so that a tile hears from one tile per partial.
std::vector<int64_t> blocks_within(const Shape& view, int64_t columns_of_partials, int64_t tiles);

// Number of blocks per dimension.
std::vector<int64_t> block_counts(const Shape& view, const std::vector<int64_t>& block);

}  // namespace tessera
