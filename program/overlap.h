// SPDX-License-Identifier: Apache-2.0
// Where boxes of different views of one variable meet. Both are sets of elements of the same
// row-major memory; where the views differ, boxes are compared run by run.
#pragma once

#include <functional>

#include "program/program.h"

namespace tessera {

// Calls with each maximal contiguous run [begin, end) of the box, in increasing order.
void for_each_run(const Shape& view, const Box& box,
                  const std::function<void(int64_t begin, int64_t end)>& call);
bool covers(const Shape& outer_view, const Box& outer, const Shape& inner_view, const Box& inner);
// Elements that both hold.
int64_t overlap(const Shape& view_a, const Box& a, const Shape& view_b, const Box& b);
// Calls for each mapped block that shares elements with the box.
void for_each_source(const Mapping& mapping, const Shape& view, const Box& box,
                     const std::function<void(int64_t block, int64_t elements)>& call);

}  // namespace tessera
