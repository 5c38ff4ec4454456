// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "ir/attention_mask.h"
#include "passes/counted_places.h"
#include "passes/key_mask.h"
#include "passes/match.h"
#include "passes/token_site.h"

namespace tessera {
namespace {

using Kind = TokenAxes::Kind;

constexpr int64_t kMostBiasElements = int64_t{1} << 24;  // that are looked at

// The axes that are left once a sum or a maximum along `axis` has been taken.
Expected<TokenAxes> left_of(const TokenSite& at, const TokenAxes& from, int64_t axis,
                            const std::string& how, bool leaves_padding_out) {
  const std::string what = how + name_of(from, axis);
  if (axis != from.sequence && axis != from.key) return at.mixes(what);
  if (at.is_padded() && leaves_padding_out) return without(from, axis);
  return at.meets(what, rows_of(from, false));
}

// Every element is at least 0: the nodes that make the value, `left` of them at most, prove it. The
// mask itself is 0 or 1.
bool is_not_negative(const Node* node, const Node* mask, int& left) {
  const auto all = [&] {
    return std::ranges::all_of(node->in,
                               [&](const Node* in) { return is_not_negative(in, mask, left); });
  };
  const auto any_is = [&](double least) {
    return std::ranges::any_of(node->in, [&](const Node* in) { return splat(in) >= least; });
  };
  if (node == mask || node->type.dtype == DType::Bool || splat(node) >= 0.0) return true;
  if (--left < 0) return false;
  static const std::set<Op> kNever = {Op::Exp, Op::Abs, Op::Sqrt, Op::Softmax};
  static const std::set<Op> kAsOperands = {Op::Add,       Op::Mul,     Op::Cast,
                                           Op::Broadcast, Op::Reshape, Op::Transpose};
  if (kNever.contains(node->op)) return true;
  if (node->is(Op::Max)) return any_is(0) || all();
  if (node->is(Op::Log)) {  // log(1 + x)
    node = node->in[0];
    for (int i = 0; i < kFarthest && node->is(Op::Cast); ++i) node = node->in[0];
    return node->is(Op::Add) && any_is(1) && all();
  }
  return kAsOperands.contains(node->op) && all();
}

// Zeros change no maximum of numbers that are not negative.
bool is_no_maximum(const TokenSite& at) {
  const CellRange added = at.added_to(0);
  if (added.high <= lowest_mask(at.node)) return true;
  int left = kFarthest;
  return added.is_zero() && is_not_negative(at.node.in[0], at.shape.mask, left);
}

bool sums_nothing(const CellRange& added, const CellRange& other) {
  return added.is_zero() && other.kind == CellRange::Kind::Finite;
}

// The axes of a product of tokens by tokens, each row by its own: an entry for each token of the
// rows of `a`, for each of the columns of `b`, or for each two.
std::optional<TokenAxes> product_in_rows(const TokenSite& at) {
  const TokenAxes &a = at.operand(0), &b = at.operand(1);
  const auto rank = static_cast<int>(at.rank());
  const int row = rank - 2, column = rank - 1;
  for (const TokenAxes* axes : {&a, &b})
    for (const int axis : {axes->sequence, axes->key})
      if (axis >= 0 && axis < row) return std::nullopt;
  if (tracks(a, column) != tracks(b, row)) return std::nullopt;
  if (tracks(a, column)) {
    const CellRange of_a = at.added_along(0, column), of_b = at.added_along(1, row);
    if (!sums_nothing(of_a, of_b) && !sums_nothing(of_b, of_a)) return std::nullopt;
  }
  const bool by_row = tracks(a, row), by_column = tracks(b, column);
  if (!by_row && !by_column) return TokenAxes{.kind = Kind::Row, .batch = a.batch};
  return TokenAxes{.kind = Kind::Token,
                   .batch = a.batch,
                   .sequence = by_row ? row : column,
                   .key = by_row && by_column ? column : -1};
}

Expected<TokenAxes> tokens_by_tokens(const TokenSite& at) {
  const TokenAxes &a = at.operand(0), &b = at.operand(1);
  const auto rank = static_cast<int>(at.rank());
  const std::string how = "multiplies tokens by tokens outside of a known attention";
  const bool in_step = a.batch >= 0 && a.batch == b.batch && a.batch + 2 < rank &&
                       std::ssize(at.node.in[1]->type.shape) == rank;
  if (!in_step) return at.mixes(how);
  if (!at.is_padded()) return at.meets(how, {.kind = Kind::Row, .batch = a.batch});
  if (const auto left = product_in_rows(at)) return *left;
  return at.mixes(how);
}

// An op along `axis` that gives as many values as it takes. `is_exact`: where rows are padded, what
// it gives to a request's tokens does not depend on the cells behind them.
Expected<TokenAxes> along(const TokenSite& at, int64_t axis, const char* how, bool is_exact) {
  const TokenAxes& from = at.operand(0);
  if (from.kind == Kind::Free) return at.free();
  if (axis == from.place) {
    TokenAxes mixed = from;
    mixed.place = -1;
    return mixed;
  }
  if (!tracks(from, axis)) return from;
  const bool of_tokens = axis == from.sequence || axis == from.key;
  const bool stays = at.is_padded() && is_exact && of_tokens;
  if (stays) return from;
  if (axis != from.sequence) return at.mixes(how + std::string(name_of(from, axis)));
  return at.meets(how + std::string(name_of(from, axis)), rows_of(from, false));
}

// Whether a bias hides every key behind its query, so that no token of a request sees what stands
// behind the request.
bool is_causal(const Node* bias) {
  const Shape& shape = bias->type.shape;
  while (is_view(bias) && !bias->is(Op::Transpose)) {
    const Shape& from = bias->in[0]->type.shape;
    if (from.size() < 2 || !std::equal(shape.end() - 2, shape.end(), from.end() - 2)) return false;
    bias = bias->in[0];
  }
  if (!bias->is(Op::Constant) || !bias->value.has_data()) return false;
  const int64_t queries = shape[2], keys = shape[3];
  if (queries != keys || elements(bias->type.shape) > kMostBiasElements) return false;
  for (int64_t i = 0; i < elements(bias->type.shape); ++i)
    if (i % keys > i / keys % queries && !hides(element(bias->value, i))) return false;
  return true;
}

bool hides_added_keys(const TokenSite& at) {
  const TokenAxes& mask = at.operand(3);
  const AttentionMask said = *attention_mask(at.node.string_attr("mask"));
  if (said.kind == "lengths") return mask.batch == 0 && counts_tokens(at.node.in[3]);
  const bool is_bias = !said.has_keys();
  const bool causal = is_bias && mask.kind == Kind::Free && is_causal(at.node.in[3]);
  const int of_keys = is_bias ? 3 : 1;
  const bool by_keys = mask.kind == Kind::Token && mask.batch == 0 && mask.inner == 1 &&
                       (mask.sequence == of_keys || mask.key == of_keys);
  if (!causal && !by_keys) return false;
  const CellRange added = at.added_along(3, of_keys);
  if (!is_bias) return added.is_zero();
  // An exponential of 0 next to NaN is NaN.
  for (size_t i = 0; i < 3; ++i)
    if (at.added_to(i).kind != CellRange::Kind::Finite) return false;
  return causal || hides(added.high);
}

// The mask must be of the row's own request, and hide the cells that padding adds.
Status check_mask(const TokenSite& at) {
  if (at.node.in.size() == 3) {
    if (at.is_padded())
      return at.refuse("has no mask, must have the model's attention_mask to hide padded tokens");
    return {};
  }
  if (at.is_padded()) {
    if (hides_added_keys(at)) return {};
    return at.refuse("its mask does not hide padded tokens, for which every input is 0");
  }
  const TokenAxes& mask = at.operand(3);
  const bool of_row = mask.kind == Kind::Free ? mask.uniform[0] : mask.batch == 0;
  if (of_row) return {};
  return at.mixes("attends by a mask that is not of its row");
}

}  // namespace

namespace token_rules {

Result matmul(const TokenSite& at) {
  const TokenAxes &a = at.operand(0), &b = at.operand(1);
  const auto inner_a = static_cast<int64_t>(at.rank()) - 1;
  const auto rank_b = static_cast<int64_t>(at.node.in[1]->type.shape.size());
  if (a.kind == Kind::Free && b.kind == Kind::Free) {
    TokenAxes result = at.free();
    const bool in_step = rank_b == static_cast<int64_t>(at.rank());
    for (size_t d = 0; d + 1 < at.rank(); ++d)
      result.uniform[d] = a.uniform[d] && (d + 2 == at.rank() || !in_step || b.uniform[d]);
    result.uniform.back() = b.uniform.back();
    return result;
  }
  if (a.kind != Kind::Free && b.kind != Kind::Free) return tokens_by_tokens(at);
  const bool of_a = tracks(a, inner_a);
  TokenAxes tokens = a.kind == Kind::Free ? b : a;
  tokens.place = -1;
  if (of_a || tracks(b, rank_b - 2))
    tokens =
        TRY(left_of(at, tokens, of_a ? inner_a : rank_b - 2, "sums over ",
                    sums_nothing(at.added_along(0, inner_a), at.added_along(1, rank_b - 2)) ||
                        sums_nothing(at.added_along(1, rank_b - 2), at.added_along(0, inner_a))));
  if (rank_b == 2 && b.kind != Kind::Free && at.rank() > 2)
    return at.mixes("uses tokens as a matrix for all rows");
  // Leading axes go in step: a number of the other side must not depend on the request there.
  const TokenAxes& other = a.kind == Kind::Free ? a : b;
  for (size_t d = 0; d + 2 < other.uniform.size(); ++d) {
    const auto axis = static_cast<int64_t>(d);
    if (tracks(tokens, axis) && !other.uniform[d] &&
        (at.is_packed() || axis == tokens.batch || axis == tokens.flat))
      return at.mixes("multiplies by numbers that vary along " +
                      std::string(name_of(tokens, axis)));
  }
  return tokens;
}

Result reduce(const TokenSite& at) {
  const TokenAxes& from = at.operand(0);
  if (from.kind == Kind::Free) return at.free();
  const std::vector<int64_t>& axes = at.node.ints("axes");
  const bool leaves_out = at.node.is(Op::ReduceMax) ? is_no_maximum(at) : at.added_to(0).is_zero();
  TokenAxes left = from;
  for (int64_t axis : axes) {
    if (tracks(left, axis)) left = TRY(left_of(at, left, axis, "reduces ", leaves_out));
    if (axis == left.place) left.place = -1;
  }
  return moved(left, [&](int old) {
    return old - static_cast<int>(std::ranges::count_if(axes, [&](auto a) { return a < old; }));
  });
}

Result norm(const TokenSite& at) {
  for (size_t i = 1; i < at.node.in.size(); ++i)
    if (at.operand(i).kind != Kind::Free) return at.mixes("scales by values of tokens");
  return along(at, static_cast<int64_t>(at.rank()) - 1, "normalizes ", false);
}

// Zero points go with what they are of: one for all, or one for each row of a.
Result matmul_integer(const TokenSite& at) {
  const TokenAxes &a = at.operand(0), &zero = at.operand(2);
  const bool in_step = zero.kind == Kind::Free ||
                       (zero.kind == a.kind && zero.batch == a.batch &&
                        zero.sequence == a.sequence && zero.flat == a.flat && zero.key == a.key);
  if (!in_step || at.operand(3).kind != Kind::Free)
    return at.mixes("has zero points that are not of the rows of its operands");
  return matmul(at);
}

Result row_ends(const TokenSite& at) {
  return along(at, static_cast<int64_t>(at.rank()) - 1, "takes the ends of ", false);
}

// Tokens meet those of their own segment alone.
Result segment_max(const TokenSite& at) {
  const TokenAxes &x = at.operand(0), &ids = at.operand(1);
  const bool whole = at.shape.layout == Layout::Whole && x.batch == 0 && ids.batch == 0;
  if (!whole && !(x.is_in_front() && ids.is_in_front()))
    return at.refuse("does not take numbers of tokens [batch,sequence,…] and their segments, must");
  if (at.is_padded() && !at.added_to(1).is_zero())
    return at.refuse("its segments must be 0 for padded tokens");
  return x;
}

// Angles have the axes of x, and those of one head serve all.
Result rotary(const TokenSite& at) {
  TRY(along(at, static_cast<int64_t>(at.rank()) - 1, "rotates pairs along ", false));
  return elementwise(at);
}

Result attention(const TokenSite& at) {
  for (size_t i = 0; i < 3; ++i) {
    const TokenAxes& axes = at.operand(i);
    if (axes.kind == Kind::Token && axes.batch == 1)
      return at.refuse(
          "attends along the batch axis, so that rows depend on each other; packing "
          "and padding need rows that do not");
    const bool whole = at.shape.layout == Layout::Whole && axes.batch == 0;
    if (!axes.is_in_front() && !whole)
      return at.refuse("does not attend to tokens [batch,sequence,…], must");
  }
  const AttentionMask said = *attention_mask(at.node.string_attr("mask"));
  if (!at.is_packed()) TRY(check_mask(at));
  if (at.is_packed() && said.bias && at.operand(said.bias_operand()).kind != Kind::Free)
    return at.mixes("attends by a bias that tokens make");
  return at.operand(0);
}

Result cumsum(const TokenSite& at) {
  return along(at, at.node.int_attr("axis"), "runs a sum along ", true);
}

Result softmax(const TokenSite& at) {
  const int64_t axis = at.node.int_attr("axis");
  return along(at, axis, "takes a softmax along ", hides(at.added_along(0, axis).high));
}

}  // namespace token_rules
}  // namespace tessera
