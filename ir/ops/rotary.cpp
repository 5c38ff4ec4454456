// SPDX-License-Identifier: Apache-2.0
// rotary: for every head, x cos + swap(x) sin, where swap exchanges the two numbers of each pair.
// Each pair is rotated by an angle of its token's, if sin is negative for the first of a pair.
//
// One op, because in its parts it moves single numbers: pairs stand beside each other, or half a
// head apart. The signs are in sin, so that every number of a head is done alike.
#include "ir/ops/ops.h"

namespace tessera::ops {

Expected<TensorType> Rotary::infer(const Node& node) {
  const TensorType& x = node.in[0]->type;
  if (!is_float(x.dtype) || x.shape.size() != 3)
    return fail(node, "x is " + to_string(x) + ", must be [batch,tokens,hidden] of f32 or f16");
  const int64_t heads = node.int_attr("heads"), hidden = x.shape[2];
  if (heads < 1 || hidden % heads != 0 || hidden / heads % 2 != 0)
    return fail(node, "heads is " + std::to_string(heads) + ", must cut the hidden size " +
                          std::to_string(hidden) + " into parts of even size");
  const TensorType once{
      x.dtype, {1, x.shape[1], hidden / heads}
  };
  const TensorType each{
      x.dtype, {x.shape[0], x.shape[1], hidden / heads}
  };
  for (size_t i : {1, 2}) {
    const TensorType& is = node.in[i]->type;
    if (is != once && is != each)
      return fail(node, std::string(i == 1 ? "cos" : "sin") + " is " + to_string(is) +
                            ", must be " + to_string(once) + " or " + to_string(each) +
                            " for an x of " + to_string(x));
  }
  const std::string& form = node.string_attr("form");
  if (form != "pairs" && form != "halves")
    return fail(node, "form is \"" + form + "\", must be pairs or halves");
  return x;
}

Expected<Array> Rotary::eval(const Node& node, std::span<const Array> in) {
  Array out = zeros(node);
  const int64_t heads = node.int_attr("heads");
  const int64_t depth = node.type.shape[2] / heads;
  const int64_t tokens = node.type.shape[1];
  const bool pairs = node.string_attr("form") == "pairs";
  const auto partner = [&](int64_t d) { return pairs ? d ^ 1 : (d + depth / 2) % depth; };
  // Where the angles of a token begin; those of one sequence serve all.
  const auto angles = [&](size_t operand, int64_t token) {
    const bool once = in[operand].type.shape[0] == 1;
    return in[operand].data.data() + (once ? token % tokens : token) * depth;
  };
  for (int64_t token = 0; token < node.type.shape[0] * tokens; ++token)
    for (int64_t head = 0; head < heads; ++head) {
      const int64_t at = (token * heads + head) * depth;
      const double *x = in[0].data.data() + at, *cos = angles(1, token), *sin = angles(2, token);
      for (int64_t d = 0; d < depth; ++d) out.data[at + d] = x[d] * cos[d] + x[partner(d)] * sin[d];
    }
  return out;
}

}  // namespace tessera::ops
