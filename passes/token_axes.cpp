// SPDX-License-Identifier: Apache-2.0
#include "passes/token_axes.h"

#include <algorithm>

#include "passes/match.h"

namespace tessera {
namespace {

using Kind = TokenAxes::Kind;

// Constants larger than this are not searched for axes that are all the same.
constexpr int64_t kSearched = int64_t{1} << 20;

std::vector<bool> uniform_axes(const Tensor& tensor) {
  const Shape& shape = tensor.type().shape;
  std::vector<bool> uniform(shape.size());
  const bool searched = tensor.has_data() && elements(shape) <= kSearched;
  const Shape strides = row_major_strides(shape);
  for (size_t d = 0; d < shape.size(); ++d) {
    bool same = shape[d] == 1 || searched;
    for (int64_t i = 0; same && shape[d] != 1 && i < elements(shape); ++i)
      if (i / strides[d] % shape[d] != 0)
        same = element(tensor, i) == element(tensor, i - strides[d]);
    uniform[d] = same;
  }
  return uniform;
}

// A node, and what is known of its operands.
struct Site {
  const Node& node;
  const TokenAxesMap& known;
  const TokenShape& shape;

  const TokenAxes& operand(size_t i) const { return known.at(node.in[i]); }
  size_t rank() const { return node.type.shape.size(); }
  TokenAxes free() const { return {.uniform = std::vector<bool>(rank(), false)}; }

  Error refuse(const std::string& what) const { return Error{called(node) + ": " + what}; }
  Error mixes(const std::string& how) const {
    return refuse(how +
                  ", which would mix requests that share a row; packing needs a model "
                  "that does so in attention alone");
  }
};

bool tracks(const TokenAxes& axes, int64_t axis) {
  return axis >= 0 && (axis == axes.batch || axis == axes.sequence || axis == axes.flat);
}

// "the sequence axis", for messages.
const char* name_of(const TokenAxes& axes, int64_t axis) {
  if (axis == axes.batch) return "the batch axis";
  return axis == axes.sequence ? "the sequence axis" : "the axis of all tokens";
}

// Each tracked axis moved by a function of its number.
template <class F>
TokenAxes moved(TokenAxes axes, F move) {
  for (int* axis : {&axes.batch, &axes.sequence, &axes.flat})
    if (*axis >= 0) *axis = move(*axis);
  return axes;
}

// What the result of an op is, by the column `elements` of its row in ir/ops.def.
namespace rules {

Expected<TokenAxes> input(const Site& at) {
  const TensorType wanted{
      DType::I32, {at.shape.rows, at.shape.row_length}
  };
  if (at.node.type != wanted)
    return Error{"input '" + at.node.name + "': is " + to_string(at.node.type) + ", must be " +
                 to_string(wanted) + " as every input of a model to pack"};
  return TokenAxes{.kind = Kind::Token, .batch = 0, .sequence = 1};
}

// Values of one shape side by side, element by element.
Expected<TokenAxes> combine(const Site& at, const std::vector<const TokenAxes*>& all) {
  const TokenAxes* tokens = nullptr;
  for (const TokenAxes* axes : all) {
    if (axes->kind == Kind::Free) continue;
    if (tokens && axes->kind != tokens->kind)
      return at.refuse(
          "combines tokens with what was taken from the first token of each row, which "
          "packing cannot follow");
    if (tokens && !(*axes == *tokens)) return at.mixes("combines tokens along different axes");
    tokens = axes;
  }
  TokenAxes result = tokens ? *tokens : *all[0];
  for (const TokenAxes* axes : all) {
    if (axes->kind != Kind::Free) continue;
    for (size_t d = 0; d < axes->uniform.size(); ++d) {
      if (!tokens)
        result.uniform[d] = result.uniform[d] && axes->uniform[d];
      else if (!at.shape.keeps_places && tracks(*tokens, static_cast<int64_t>(d)) &&
               !axes->uniform[d])
        return at.refuse("combines tokens with constants that vary along " +
                         std::string(name_of(*tokens, static_cast<int64_t>(d))) +
                         ", where in a packed row another request may stand");
    }
  }
  return result;
}

Expected<TokenAxes> elementwise(const Site& at) {
  std::vector<const TokenAxes*> all;
  for (size_t i = 0; i < at.node.in.size(); ++i) all.push_back(&at.operand(i));
  return combine(at, all);
}

Expected<TokenAxes> broadcast(const Site& at) {
  const TokenAxes& from = at.operand(0);
  const Shape& shape = at.node.in[0]->type.shape;
  const size_t added = at.rank() - shape.size();
  if (from.kind == Kind::Free) {
    TokenAxes result{.uniform = std::vector<bool>(at.rank(), true)};
    for (size_t d = 0; d < shape.size(); ++d) result.uniform[added + d] = from.uniform[d];
    return result;
  }
  TokenAxes result = moved(from, [&](int axis) { return axis + static_cast<int>(added); });
  for (int axis : {from.batch, from.sequence, from.flat})
    if (axis >= 0 && shape[axis] != at.node.type.shape[axis + added])
      return at.refuse("stretches " + std::string(name_of(from, axis)) +
                       ", which must stay as long");
  return result;
}

TokenAxes transpose(const Site& at) {
  const std::vector<int64_t>& perm = at.node.ints("perm");
  const TokenAxes& from = at.operand(0);
  if (from.kind == Kind::Free) {
    TokenAxes result{.uniform = {}};
    for (int64_t axis : perm) result.uniform.push_back(from.uniform[axis]);
    return result;
  }
  return moved(from, [&](int axis) {
    return static_cast<int>(std::ranges::find(perm, axis) - perm.begin());
  });
}

// Row-major order is kept, so axes that are not part of a change can be told by what stands before
// them: the number of elements outside.
struct Place {
  int64_t outside = 1, size = 1;
  bool operator==(const Place&) const = default;
};

Place place_of(const Shape& shape, int axis) {
  Place place{1, shape[axis]};
  for (int d = 0; d < axis; ++d) place.outside *= shape[d];
  return place;
}

int axis_at(const Shape& shape, const Place& place) {
  for (int d = 0; d < static_cast<int>(shape.size()); ++d)
    if (place_of(shape, d) == place) return d;
  return -1;
}

Expected<TokenAxes> reshape(const Site& at) {
  const TokenAxes& from = at.operand(0);
  const Shape& before = at.node.in[0]->type.shape;
  const Shape& after = at.node.type.shape;
  if (from.kind == Kind::Free) {
    TokenAxes result = at.free();
    for (int d = 0; d < static_cast<int>(before.size()); ++d)
      if (const int at = axis_at(after, place_of(before, d)); at >= 0 && before[d] != 1)
        result.uniform[at] = from.uniform[d];
    for (size_t d = 0; d < after.size(); ++d)
      if (after[d] == 1) result.uniform[d] = true;
    return result;
  }
  TokenAxes result{.kind = from.kind};
  if (from.kind == Kind::Row) {
    result.batch = axis_at(after, place_of(before, from.batch));
    if (result.batch >= 0) return result;
    return at.refuse("reshapes the rows of a batch into others, which packing cannot follow");
  }
  const int first = from.flat >= 0 ? from.flat : from.batch;
  const int64_t outside = place_of(before, first).outside;
  if (from.flat >= 0) {
    result.batch = axis_at(after, {outside, at.shape.rows});
    result.sequence = axis_at(after, {outside * at.shape.rows, at.shape.row_length});
  } else {
    result.batch = axis_at(after, place_of(before, from.batch));
    result.sequence = axis_at(after, place_of(before, from.sequence));
  }
  if (result.batch >= 0 && result.sequence >= 0) return result;
  const bool in_order = from.flat >= 0 || from.sequence == from.batch + 1;
  const int flat = axis_at(after, {outside, at.shape.rows * at.shape.row_length});
  if (in_order && flat >= 0) return TokenAxes{.kind = Kind::Token, .flat = flat};
  return at.mixes("reshapes " + to_string(before) + " to " + to_string(after) +
                  ", which takes tokens apart or joins them with other axes");
}

TokenAxes rows_of(const TokenAxes& token, bool drops_axis) {
  TokenAxes rows{.kind = Kind::Row, .batch = token.batch};
  if (drops_axis && rows.batch > token.sequence) --rows.batch;
  return rows;
}

Expected<TokenAxes> slice(const Site& at) {
  const TokenAxes& from = at.operand(0);
  if (from.kind == Kind::Free) return from;
  if (takes_first_token(&at.node, from)) return rows_of(from, false);
  for (size_t d = 0; d < at.rank(); ++d) {
    const bool whole = at.node.ints("start")[d] == 0 && at.node.ints("step")[d] == 1 &&
                       at.node.ints("size")[d] == at.node.in[0]->type.shape[d];
    if (tracks(from, static_cast<int64_t>(d)) && !whole)
      return at.mixes("takes a part of " + std::string(name_of(from, static_cast<int64_t>(d))));
  }
  return from;
}

Expected<TokenAxes> concat(const Site& at) {
  TokenAxes result = TRY(elementwise(at));
  const int64_t axis = at.node.int_attr("axis");
  if (result.kind == Kind::Free) result.uniform[axis] = false;
  if (tracks(result, axis))
    return at.mixes("puts values beside each other along " + std::string(name_of(result, axis)));
  return result;
}

Expected<TokenAxes> gather(const Site& at) {
  const TokenAxes &table = at.operand(0), &indices = at.operand(1);
  const auto axis = static_cast<int>(at.node.int_attr("axis"));
  const auto added = static_cast<int>(at.node.in[1]->type.shape.size());
  if (table.kind == Kind::Free && indices.kind == Kind::Free) return at.free();
  if (table.kind == Kind::Free)
    return moved(indices, [&](int index_axis) { return axis + index_axis; });
  if (indices.kind != Kind::Free) return at.mixes("looks tokens up by the values of tokens");
  if (takes_first_token(&at.node, table) && added <= 1) return rows_of(table, added == 0);
  if (tracks(table, axis)) return at.mixes("takes a part of " + std::string(name_of(table, axis)));
  return moved(table, [&](int old) { return old > axis ? old + added - 1 : old; });
}

Expected<TokenAxes> matmul(const Site& at) {
  const TokenAxes &a = at.operand(0), &b = at.operand(1);
  const auto inner_a = static_cast<int64_t>(at.rank()) - 1;
  const auto rank_b = static_cast<int64_t>(at.node.in[1]->type.shape.size());
  if (tracks(a, inner_a) || tracks(b, rank_b - 2))
    return at.mixes("sums over " +
                    std::string(tracks(a, inner_a) ? name_of(a, inner_a) : name_of(b, rank_b - 2)));
  if (a.kind == Kind::Free && b.kind == Kind::Free) return at.free();
  if (a.kind != Kind::Free && b.kind != Kind::Free)
    return at.mixes("multiplies tokens by tokens outside of a known attention");
  const TokenAxes& tokens = a.kind == Kind::Free ? b : a;
  const TokenAxes& other = a.kind == Kind::Free ? a : b;
  if (rank_b == 2 && b.kind != Kind::Free && at.rank() > 2)
    return at.mixes("uses tokens as a matrix for all rows");
  // Leading axes go in step: a number of the other side must not depend on the token there.
  for (size_t d = 0; d + 2 < other.uniform.size(); ++d)
    if (tracks(tokens, static_cast<int64_t>(d)) && !other.uniform[d])
      return at.mixes("multiplies by numbers that vary along " +
                      std::string(name_of(tokens, static_cast<int64_t>(d))));
  return tokens;
}

Expected<TokenAxes> reduce(const Site& at) {
  const TokenAxes& from = at.operand(0);
  if (from.kind == Kind::Free) return at.free();
  const std::vector<int64_t>& axes = at.node.ints("axes");
  for (int64_t axis : axes)
    if (tracks(from, axis)) return at.mixes("reduces " + std::string(name_of(from, axis)));
  return moved(from, [&](int old) {
    return old - static_cast<int>(std::ranges::count_if(axes, [&](auto a) { return a < old; }));
  });
}

Expected<TokenAxes> along(const Site& at, int64_t axis, const char* how) {
  const TokenAxes& from = at.operand(0);
  if (from.kind == Kind::Free) return at.free();
  if (tracks(from, axis) && !at.shape.keeps_places)
    return at.mixes(how + std::string(name_of(from, axis)));
  return from;
}

Expected<TokenAxes> norm(const Site& at) {
  for (size_t i = 1; i < at.node.in.size(); ++i)
    if (at.operand(i).kind != Kind::Free) return at.mixes("scales by values of tokens");
  return along(at, static_cast<int64_t>(at.rank()) - 1, "normalizes ");
}

// Angles have the axes of x, and those of one head serve all.
Expected<TokenAxes> rotary(const Site& at) {
  TRY(along(at, static_cast<int64_t>(at.rank()) - 1, "turns pairs along "));
  return elementwise(at);
}

Expected<TokenAxes> attention(const Site& at) {
  const TokenAxes wanted{.kind = Kind::Token, .batch = 0, .sequence = 1};
  for (size_t i = 0; i < 3; ++i) {
    const TokenAxes& axes = at.operand(i);
    if (axes.kind == Kind::Token && axes.batch == 1)
      return at.refuse(
          "attends along the batch axis, so that rows depend on each other; packing "
          "needs rows that do not");
    if (!(axes == wanted)) return at.refuse("does not attend to tokens [batch,sequence,…], must");
  }
  return wanted;
}

Expected<TokenAxes> constant(const Site& at) {
  return TokenAxes{.uniform = uniform_axes(at.node.value)};
}

Expected<TokenAxes> cumsum(const Site& at) {
  return along(at, at.node.int_attr("axis"), "runs a sum along ");
}

Expected<TokenAxes> softmax(const Site& at) {
  return along(at, at.node.int_attr("axis"), "takes a softmax along ");
}

Expected<TokenAxes> packed(const Site& at) {
  return at.refuse("stands in a model that is packed already");
}

}  // namespace rules

Expected<TokenAxes> axes_of(const Site& at) {
  switch (at.node.op) {
#define OP(id, text, min, max, elements, ...) \
  case Op::id: return rules::elements(at);
#include "ir/ops.def"
#undef OP
  }
  return at.refuse("is unknown to packing");
}

}  // namespace

bool takes_first_token(const Node* node, const TokenAxes& operand) {
  if (operand.kind != Kind::Token || operand.sequence < 0) return false;
  if (node->is(Op::Gather))
    return node->int_attr("axis") == operand.sequence && splat(node->in[1]) == 0.0 &&
           elements(node->in[1]->type.shape) == 1;
  if (!node->is(Op::Slice)) return false;
  const int64_t batch = operand.batch, sequence = operand.sequence;
  const auto &start = node->ints("start"), &step = node->ints("step"), &size = node->ints("size");
  const bool all_rows =
      start[batch] == 0 && step[batch] == 1 && size[batch] == node->in[0]->type.shape[batch];
  return all_rows && start[sequence] == 0 && size[sequence] == 1;
}

Expected<TokenAxesMap> find_token_axes(const Graph& graph, const TokenShape& shape) {
  TokenAxesMap known;
  for (const auto& node : graph.nodes()) {
    TokenAxes axes = TRY(axes_of({*node, known, shape}));
    known[node.get()] = std::move(axes);
  }
  return known;
}

}  // namespace tessera
