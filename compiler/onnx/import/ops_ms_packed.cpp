// SPDX-License-Identifier: Apache-2.0
// com.microsoft's packing mode: RemovePadding lays the tokens of all rows end to end,
// PackedAttention and PackedMultiHeadAttention attend within each row's tokens, RestorePadding puts
// them back.
//
// Shapes are fixed at import and the number of tokens is not, so nothing is moved: between the two,
// tokens and padding stand as they stood, [batch x sequence,hidden], and token_offset remembers
// which are tokens. The operations between them work on each token alone, as they must in ONNX
// Runtime. Padding and packing of requests are then proved as for any other model.
#include "compiler/onnx/import/ms_heads.h"
#include "compiler/onnx/import/op_table.h"

namespace tessera::handlers {
namespace {

// The token offsets of RemovePadding: the place of each token, and -1 in cells that hold none.
Expected<Node*> offsets_of(Call& call, Node* there) {
  Node* places = TRY(counting(call, {1, elements(there->type.shape)}));
  places = TRY(call.reshape(places, there->type.shape));
  return call.add(Op::Select, {there, places, TRY(call.like(places, -1))});
}

struct Rows {
  int64_t batch, sequence;
  Node* there;  // bools [batch,sequence]
};

Expected<Rows> rows_of_offsets(Call& call, size_t i) {
  TRY(call.need({i}));
  Node* offsets = call.in(i);
  const Shape& shape = offsets->type.shape;
  if (shape.size() == 2 && offsets->is(Op::Select)) return Rows{shape[0], shape[1], offsets->in[0]};
  return call.error("token_offset (input " + std::to_string(i) +
                    ") is not of a RemovePadding of this model, must be: give the model before it "
                    "was converted to packing mode");
}

// Tokens end to end as rows again; null stays null.
Expected<Node*> as_rows(Call& call, Node* x, const Rows& rows) {
  if (!x) return x;
  Shape shape = x->type.shape;
  if (shape.size() < 2 || shape[0] != rows.batch * rows.sequence)
    return call.error("an operand is " + to_string(x->type) + ", must have the " +
                      std::to_string(rows.batch * rows.sequence) +
                      " tokens of its RemovePadding in front");
  shape[0] = rows.sequence;
  shape.insert(shape.begin(), rows.batch);
  return call.reshape(x, shape);
}

// Keys of other rows are never met, so a key that is not there is hidden from all.
Status result_packed(Call& call, Attending a, const Rows& rows, size_t bias) {
  a.scale = call.attr("scale", 0.0);
  if (call.in(bias)) a.added.push_back(call.in(bias));
  const DType dtype = a.q->type.dtype;
  Node* seen = TRY(call.reshape(rows.there, {rows.batch, 1, 1, rows.sequence}));
  a.added.push_back(TRY(hiding(call, seen, lowest(dtype), dtype)));
  Node* out = TRY(attend(call, a));
  const Shape flat = {rows.batch * rows.sequence, out->type.shape[2]};
  return call.result(Op::Reshape, {out}, with("shape", flat));
}

}  // namespace

Status remove_padding(Call& call) {
  const Shape shape = call.shape(0);
  if (shape.size() != 3 || call.shape(1) != Shape{shape[0]} || call.dtype(1) != DType::I32)
    return call.error("inputs are " + to_string(call.in(0)->type) + " and " +
                      to_string(call.in(1)->type) +
                      ", must be [batch, sequence, hidden] and the number of tokens of each row");
  TRY(call.result(Op::Reshape, {call.in(0)}, with("shape", Shape{shape[0] * shape[1], shape[2]})));
  Node* there = TRY(before_end(call, call.in(1), shape[1]));
  if (call.wants(1)) call.bind(1, TRY(offsets_of(call, there)));
  if (call.wants(2)) {
    Node* sums = TRY(call.add(Op::CumSum, {call.in(1)}, with("axis", int64_t{0})));
    call.bind(2, TRY(call.add(Op::Concat, {call.ints({0}), sums}, with("axis", int64_t{0}))));
  }
  if (!call.wants(3)) return {};
  const Call::Attrs all = with("axes", std::vector<int64_t>{0});
  Node* longest = TRY(call.add(Op::ReduceMax, {call.in(1)}, all));
  call.bind(3, TRY(call.reshape(longest, {1})));
  return {};
}

Status restore_padding(Call& call) {
  const Rows rows = TRY(rows_of_offsets(call, 1));
  Node* x = TRY(as_rows(call, call.in(0), rows));
  Shape column(x->type.shape.size(), 1);
  column[0] = rows.batch;
  column[1] = rows.sequence;
  Node* there = TRY(call.reshape(rows.there, column));
  there = TRY(call.broadcast(there, x->type.shape));
  return call.result(Op::Select, {there, x, TRY(call.like(x, 0))});
}

Status packed_attention(Call& call) {
  const Rows rows = TRY(rows_of_offsets(call, 3));
  Node* x = TRY(as_rows(call, call.in(0), rows));
  const int64_t heads = TRY(heads_of(call));
  return result_packed(call, TRY(projected(call, x, call.in(1), call.in(2), heads)), rows, 5);
}

Status packed_multi_head_attention(Call& call) {
  TRY(call.need({0}));
  const Rows rows = TRY(rows_of_offsets(call, 4));
  HeadOperands of{TRY(as_rows(call, call.in(0), rows)), TRY(as_rows(call, call.in(1), rows)),
                  TRY(as_rows(call, call.in(2), rows)), call.in(3)};
  const int64_t heads = TRY(heads_of(call));
  return result_packed(call, TRY(told_apart(call, of, heads)), rows, 6);
}

}  // namespace tessera::handlers
