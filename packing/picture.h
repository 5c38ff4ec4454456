// SPDX-License-Identifier: Apache-2.0
// A packed batch as text: a line for each row, a letter for each request.
#pragma once

#include <string>

#include "packing/pack.h"

namespace tessera {

struct PictureOptions {
  int64_t width = 64;   // characters for the tokens of a row, >= 1
  bool colour = false;  // ANSI background colours; for terminals only
};

// A batch of more rows is drawn up to this one; a last line counts the rest.
inline constexpr int64_t kMostRowsDrawn = 256;

//   row  0 |aaaaaaaaabbbbbbbbbbbb.|  2 requests, 250 of 256 tokens
//   row  1 |cccc..................|  1 request,   40 of 256 tokens
// Letters are requests in the order of placing, a to z, A to Z and again from a. A character stands
// for row_length / width tokens, rounded up, and shows the request that has most of them; '.' where
// most are free. In form A a request may go on in the next row. Lines end in a newline.
std::string draw_batch(const PackingContract& contract, const PackedBatch& batch,
                       const PictureOptions& options);

}  // namespace tessera
