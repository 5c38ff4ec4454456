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

class Analysis {
 public:
  explicit Analysis(const TokenShape& shape) : shape_(shape) {}

  Status visit(const Node* node) {
    node_ = node;
    TokenAxes axes = TRY(of(node->op));
    map_[node] = std::move(axes);
    return {};
  }
  TokenAxesMap take() { return std::move(map_); }

 private:
  const TokenAxes& operand(size_t i) const { return map_.at(node_->in[i]); }
  size_t rank() const { return node_->type.shape.size(); }

  Error refuse(const std::string& what) const { return Error{called(*node_) + ": " + what}; }
  Error mixes(const std::string& how) const {
    return refuse(how +
                  ", which would mix requests that share a row; packing needs a model "
                  "that does so in attention alone");
  }

  TokenAxes free() const { return {.uniform = std::vector<bool>(rank(), false)}; }
  static bool tracks(const TokenAxes& axes, int64_t axis) {
    return axis >= 0 && (axis == axes.batch || axis == axes.sequence || axis == axes.flat);
  }
  // "the sequence axis", for messages.
  static const char* name_of(const TokenAxes& axes, int64_t axis) {
    if (axis == axes.batch) return "the batch axis";
    return axis == axes.sequence ? "the sequence axis" : "the axis of all tokens";
  }
  // Each tracked axis moved by a function of its number.
  template <class F>
  static TokenAxes moved(TokenAxes axes, F move) {
    for (int* axis : {&axes.batch, &axes.sequence, &axes.flat})
      if (*axis >= 0) *axis = move(*axis);
    return axes;
  }

  Expected<TokenAxes> of(Op op) const;
  Expected<TokenAxes> input() const;
  TokenAxes constant() const { return {.uniform = uniform_axes(node_->value)}; }
  Expected<TokenAxes> elementwise() const;
  Expected<TokenAxes> broadcast() const;
  Expected<TokenAxes> reshape() const;
  TokenAxes transpose() const;
  Expected<TokenAxes> slice() const;
  Expected<TokenAxes> concat() const;
  Expected<TokenAxes> gather() const;
  Expected<TokenAxes> matmul() const;
  Expected<TokenAxes> reduce() const;
  Expected<TokenAxes> along(int64_t axis, const char* how) const;
  Expected<TokenAxes> cumsum() const { return along(node_->int_attr("axis"), "runs a sum along "); }
  Expected<TokenAxes> softmax() const {
    return along(node_->int_attr("axis"), "takes a softmax along ");
  }
  Expected<TokenAxes> norm() const;
  Expected<TokenAxes> rotary() const;
  Expected<TokenAxes> attention() const;
  Expected<TokenAxes> packed() const { return refuse("stands in a model that is packed already"); }
  Expected<TokenAxes> combine(const std::vector<const TokenAxes*>& all) const;
  TokenAxes rows_of(const TokenAxes& token, bool drops_axis) const;

  TokenShape shape_;
  const Node* node_ = nullptr;
  TokenAxesMap map_;
};

Expected<TokenAxes> Analysis::input() const {
  const TensorType wanted{
      DType::I32, {shape_.rows, shape_.row_length}
  };
  if (node_->type != wanted)
    return Error{"input '" + node_->name + "': is " + to_string(node_->type) + ", must be " +
                 to_string(wanted) + " as every input of a model to pack"};
  return TokenAxes{.kind = Kind::Token, .batch = 0, .sequence = 1};
}

// Values of one shape side by side, element by element.
Expected<TokenAxes> Analysis::combine(const std::vector<const TokenAxes*>& all) const {
  const TokenAxes* tokens = nullptr;
  for (const TokenAxes* axes : all) {
    if (axes->kind == Kind::Free) continue;
    if (tokens && axes->kind != tokens->kind)
      return refuse(
          "combines tokens with what was taken from the first token of each row, which "
          "packing cannot follow");
    if (tokens && !(*axes == *tokens)) return mixes("combines tokens along different axes");
    tokens = axes;
  }
  TokenAxes result = tokens ? *tokens : *all[0];
  for (const TokenAxes* axes : all) {
    if (axes->kind != Kind::Free) continue;
    for (size_t d = 0; d < axes->uniform.size(); ++d) {
      if (!tokens)
        result.uniform[d] = result.uniform[d] && axes->uniform[d];
      else if (!shape_.keeps_places && tracks(*tokens, static_cast<int64_t>(d)) &&
               !axes->uniform[d])
        return refuse("combines tokens with constants that vary along " +
                      std::string(name_of(*tokens, static_cast<int64_t>(d))) +
                      ", where in a packed row another request may stand");
    }
  }
  return result;
}

Expected<TokenAxes> Analysis::elementwise() const {
  std::vector<const TokenAxes*> all;
  for (size_t i = 0; i < node_->in.size(); ++i) all.push_back(&operand(i));
  return combine(all);
}

Expected<TokenAxes> Analysis::broadcast() const {
  const TokenAxes& from = operand(0);
  const Shape& shape = node_->in[0]->type.shape;
  const size_t added = rank() - shape.size();
  if (from.kind == Kind::Free) {
    TokenAxes result{.uniform = std::vector<bool>(rank(), true)};
    for (size_t d = 0; d < shape.size(); ++d) result.uniform[added + d] = from.uniform[d];
    return result;
  }
  TokenAxes result = moved(from, [&](int axis) { return axis + static_cast<int>(added); });
  for (int axis : {from.batch, from.sequence, from.flat})
    if (axis >= 0 && shape[axis] != node_->type.shape[axis + added])
      return refuse("stretches " + std::string(name_of(from, axis)) + ", which must stay as long");
  return result;
}

TokenAxes Analysis::transpose() const {
  const std::vector<int64_t>& perm = node_->ints("perm");
  const TokenAxes& from = operand(0);
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

Expected<TokenAxes> Analysis::reshape() const {
  const TokenAxes& from = operand(0);
  const Shape& before = node_->in[0]->type.shape;
  const Shape& after = node_->type.shape;
  if (from.kind == Kind::Free) {
    TokenAxes result = free();
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
    return refuse("reshapes the rows of a batch into others, which packing cannot follow");
  }
  const int first = from.flat >= 0 ? from.flat : from.batch;
  const int64_t outside = place_of(before, first).outside;
  if (from.flat >= 0) {
    result.batch = axis_at(after, {outside, shape_.rows});
    result.sequence = axis_at(after, {outside * shape_.rows, shape_.row_length});
  } else {
    result.batch = axis_at(after, place_of(before, from.batch));
    result.sequence = axis_at(after, place_of(before, from.sequence));
  }
  if (result.batch >= 0 && result.sequence >= 0) return result;
  const bool in_order = from.flat >= 0 || from.sequence == from.batch + 1;
  const int flat = axis_at(after, {outside, shape_.rows * shape_.row_length});
  if (in_order && flat >= 0) return TokenAxes{.kind = Kind::Token, .flat = flat};
  return mixes("reshapes " + to_string(before) + " to " + to_string(after) +
               ", which takes tokens apart or joins them with other axes");
}

TokenAxes Analysis::rows_of(const TokenAxes& token, bool drops_axis) const {
  TokenAxes rows{.kind = Kind::Row, .batch = token.batch};
  if (drops_axis && rows.batch > token.sequence) --rows.batch;
  return rows;
}

Expected<TokenAxes> Analysis::slice() const {
  const TokenAxes& from = operand(0);
  if (from.kind == Kind::Free) return from;
  if (takes_first_token(node_, from)) return rows_of(from, false);
  for (size_t d = 0; d < rank(); ++d) {
    const bool whole = node_->ints("start")[d] == 0 && node_->ints("step")[d] == 1 &&
                       node_->ints("size")[d] == node_->in[0]->type.shape[d];
    if (tracks(from, static_cast<int64_t>(d)) && !whole)
      return mixes("takes a part of " + std::string(name_of(from, static_cast<int64_t>(d))));
  }
  return from;
}

Expected<TokenAxes> Analysis::concat() const {
  TokenAxes result = TRY(elementwise());
  const int64_t axis = node_->int_attr("axis");
  if (result.kind == Kind::Free) result.uniform[axis] = false;
  if (tracks(result, axis))
    return mixes("puts values beside each other along " + std::string(name_of(result, axis)));
  return result;
}

Expected<TokenAxes> Analysis::gather() const {
  const TokenAxes &table = operand(0), &indices = operand(1);
  const auto axis = static_cast<int>(node_->int_attr("axis"));
  const auto added = static_cast<int>(node_->in[1]->type.shape.size());
  if (table.kind == Kind::Free && indices.kind == Kind::Free) return free();
  if (table.kind == Kind::Free)
    return moved(indices, [&](int index_axis) { return axis + index_axis; });
  if (indices.kind != Kind::Free) return mixes("looks tokens up by the values of tokens");
  if (takes_first_token(node_, table) && added <= 1) return rows_of(table, added == 0);
  if (tracks(table, axis)) return mixes("takes a part of " + std::string(name_of(table, axis)));
  return moved(table, [&](int old) { return old > axis ? old + added - 1 : old; });
}

Expected<TokenAxes> Analysis::matmul() const {
  const TokenAxes &a = operand(0), &b = operand(1);
  const auto inner_a = static_cast<int64_t>(rank()) - 1;
  const auto rank_b = static_cast<int64_t>(node_->in[1]->type.shape.size());
  if (tracks(a, inner_a) || tracks(b, rank_b - 2))
    return mixes("sums over " +
                 std::string(tracks(a, inner_a) ? name_of(a, inner_a) : name_of(b, rank_b - 2)));
  if (a.kind == Kind::Free && b.kind == Kind::Free) return free();
  if (a.kind != Kind::Free && b.kind != Kind::Free)
    return mixes("multiplies tokens by tokens outside of a known attention");
  const TokenAxes& tokens = a.kind == Kind::Free ? b : a;
  const TokenAxes& other = a.kind == Kind::Free ? a : b;
  if (rank_b == 2 && b.kind != Kind::Free && rank() > 2)
    return mixes("uses tokens as a matrix for all rows");
  // Leading axes go in step: a number of the other side must not depend on the token there.
  for (size_t d = 0; d + 2 < other.uniform.size(); ++d)
    if (tracks(tokens, static_cast<int64_t>(d)) && !other.uniform[d])
      return mixes("multiplies by numbers that vary along " +
                   std::string(name_of(tokens, static_cast<int64_t>(d))));
  return tokens;
}

Expected<TokenAxes> Analysis::reduce() const {
  const TokenAxes& from = operand(0);
  if (from.kind == Kind::Free) return free();
  const std::vector<int64_t>& axes = node_->ints("axes");
  for (int64_t axis : axes)
    if (tracks(from, axis)) return mixes("reduces " + std::string(name_of(from, axis)));
  return moved(from, [&](int old) {
    return old - static_cast<int>(std::ranges::count_if(axes, [&](auto a) { return a < old; }));
  });
}

Expected<TokenAxes> Analysis::along(int64_t axis, const char* how) const {
  const TokenAxes& from = operand(0);
  if (from.kind == Kind::Free) return free();
  if (tracks(from, axis) && !shape_.keeps_places)
    return mixes(how + std::string(name_of(from, axis)));
  return from;
}

Expected<TokenAxes> Analysis::norm() const {
  for (size_t i = 1; i < node_->in.size(); ++i)
    if (operand(i).kind != Kind::Free) return mixes("scales by values of tokens");
  return along(static_cast<int64_t>(rank()) - 1, "normalizes ");
}

// Angles have the axes of x, and those of one head serve all.
Expected<TokenAxes> Analysis::rotary() const {
  TRY(along(static_cast<int64_t>(rank()) - 1, "turns pairs along "));
  return elementwise();
}

Expected<TokenAxes> Analysis::attention() const {
  const TokenAxes wanted{.kind = Kind::Token, .batch = 0, .sequence = 1};
  for (size_t i = 0; i < 3; ++i) {
    const TokenAxes& axes = operand(i);
    if (axes.kind == Kind::Token && axes.batch == 1)
      return refuse(
          "attends along the batch axis, so that rows depend on each other; packing "
          "needs rows that do not");
    if (!(axes == wanted)) return refuse("does not attend to tokens [batch,sequence,…], must");
  }
  return wanted;
}

// The function of each op is what ir/ops.def says of its elements.
Expected<TokenAxes> Analysis::of(Op op) const {
  switch (op) {
#define OP(id, text, min, max, elements, ...) \
  case Op::id: return elements();
#include "ir/ops.def"
#undef OP
  }
  return refuse("is unknown to packing");
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
  Analysis analysis(shape);
  for (const auto& node : graph.nodes()) TRY(analysis.visit(node.get()));
  return analysis.take();
}

}  // namespace tessera
