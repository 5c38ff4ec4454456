// SPDX-License-Identifier: Apache-2.0
// The handlers of quantized operations share this.
#pragma once

#include "compiler/onnx/import/call.h"

namespace tessera {

// Operand `i` in the 8 bits that the model gives it: an input of int8 is i32 until here.
Expected<Node*> as_stored(Call& call, size_t i);
// i8 or u8, or a refusal of the operand.
Expected<DType> byte_type(Call& call, size_t i);
// The zero point that operand `i` is, or 0.
Expected<Node*> zero_or(Call& call, size_t i, DType dtype);

// The numbers that share a scale: all, those of one place along an axis, or blocks of it.
struct Along {
  int64_t axis = 0;
  int64_t block = 0;  // 0: none
};
// Scales or zero points, stretched to what they are for.
Expected<Node*> spread(Call& call, Node* numbers, const Shape& shape, const Along& along);

// A tensor of floats as u8, by a scale and a zero point that its own ends make.
struct Dynamic {
  Node *x, *scale, *zero;
};
Expected<Dynamic> quantized_by_itself(Call& call, Node* x);

// A side of a product: bytes, and one zero point for all, for each row of the left side or for each
// column of the right.
struct Factor {
  Node *x, *zero;
};
// i32, exactly; vectors and leading axes that broadcast as in ONNX's MatMul.
Expected<Node*> multiply_integers(Call& call, Factor a, Factor b);
// The product of the two sides' scales, with as few elements as it may have.
Expected<Node*> product_of_scales(Call& call, Node* a, Node* b, const Shape& result);
Expected<Node*> scaled_sum(Call& call, Node* sum, Node* scale);

}  // namespace tessera
