// SPDX-License-Identifier: Apache-2.0
// Tile cycles that several codelets charge. Formulas and sources: docs/codelets.md.
#pragma once

#include "codelets/codelet.h"
#include "codelets/epilogue.h"

namespace tessera {

// g products of [m,k] by [k,n].
struct Product {
  int64_t g, m, k, n;
};
// On the matrix unit: `in` is the operands' type, `out` that of the partials it keeps. Either
// operand of fp8 may be of either format.
Cycles product_cycles(const Product& product, DType in, DType out, const Target& target);
// Vertex state of the same: pointers, worklists and one pointer an edge.
int64_t product_state_bytes(const Product& product, DType in, DType out);

// Adds `count` partials of `outputs` elements each.
Cycles reduce_cycles(int64_t count, int64_t outputs, DType partials, DType out,
                     const Target& target);

// Poplar's library carries one of our codelets out as several compute sets in turn; each but the
// last costs a sync and a launch of its own.
Cycles launch_cycles(int64_t compute_sets, const Target& target);

// To put `bytes` on one tile into another order, in which runs of `run_bytes` stay together.
Cycles rearrange_cycles(int64_t bytes, int64_t run_bytes);
// Cycles to transpose matrices of `elements` elements in all: rows become columns.
Cycles transpose_cycles(int64_t elements, DType dtype);

// Loops over elements, in quarters of a cycle an element of f16; an element of f32 takes twice as
// long, because a vector holds half as many.
inline constexpr int64_t kBiasQuarters = 2;
inline constexpr int64_t kAddQuarters = 3;
inline constexpr int64_t kScaleQuarters = 2;
inline constexpr int64_t kSoftmaxQuarters = 12;
inline constexpr int64_t kSoftmaxSets = 7;
Cycles element_cycles(int64_t elements, int64_t quarters, DType dtype);

// --- The epilogue of matmul and reduce_partials ---

// Operands after the first `inputs`: [bias[n]] [residual like out] -> out, which is the last.
// Params must have been checked.
Status check_epilogue(std::string_view codelet, const VertexShape& shape, size_t inputs,
                      const Shape& out);
// The params bias, residual and activation: present, complete, in range. Behind them, those that
// `more` names.
Status check_epilogue_params(std::string_view codelet, const VertexShape& shape,
                             std::string_view more = "");
EpilogueConstants epilogue_constants(const VertexShape& shape, size_t inputs);
Cycles epilogue_cycles(const VertexShape& shape, const Target& target);
// Letters (Extents) of the same operands, after those of the inputs; `out`'s last is the bias's.
void append_epilogue_letters(const VertexShape& shape, const std::string& out,
                             std::vector<std::string>& letters);

}  // namespace tessera
