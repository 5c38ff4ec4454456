// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "passes/counted_places.h"
#include "passes/match.h"
#include "passes/token_site.h"

namespace tessera {
namespace {

using Kind = TokenAxes::Kind;

// Constants larger than this are not searched for axes that are all the same.
constexpr int64_t kSearchedElements = int64_t{1} << 20;

std::vector<bool> uniform_axes(const Tensor& tensor) {
  const Shape& shape = tensor.type().shape;
  std::vector<bool> uniform(shape.size());
  const bool searched = tensor.has_data() && elements(shape) <= kSearchedElements;
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

// An entry for each two tokens of a row, where tokens stand along two axes.
std::optional<TokenAxes> paired(const TokenAxes& a, const TokenAxes& b) {
  std::set<int> axes;
  for (const TokenAxes* tokens : {&a, &b})
    for (const int axis : {tokens->sequence, tokens->key})
      if (axis >= 0) axes.insert(axis);
  if (axes.size() != 2) return std::nullopt;
  return TokenAxes{
      .kind = Kind::Token, .batch = a.batch, .sequence = *axes.begin(), .key = *axes.rbegin()};
}

// The axes of two values of one shape together.
Expected<TokenAxes> joined(const TokenSite& at, const TokenAxes& a, const TokenAxes& b) {
  if (b.kind == Kind::Free) return a;
  if (a.kind == Kind::Free) return b;
  TokenAxes with_places = b;
  if (b.place < 0) with_places.place = a.place;
  if (a == with_places) return a;
  if (a.place < 0) with_places.place = -1;
  if (a == with_places) return b;
  TokenAxes without_places = a;
  without_places.place = with_places.place = -1;
  if (without_places == with_places) return without_places;
  if (a.batch < 0 || a.batch != b.batch) return at.mixes("combines tokens along different axes");
  if (a.kind != b.kind) return a.kind == Kind::Token ? a : b;
  if (at.is_padded())
    if (const auto pairs = paired(a, b)) return *pairs;
  return at.meets("combines tokens along different axes", {.kind = Kind::Row, .batch = a.batch});
}

// The axis along which a constant is another number for each place, beside that of tokens.
int axis_of_places(const TokenSite& at, const TokenAxes& tokens, const TokenAxes& numbers) {
  const Shape& shape = at.node.type.shape;
  if (tokens.kind != Kind::Token || tokens.sequence < 0 || tokens.key >= 0 ||
      numbers.uniform[static_cast<size_t>(tokens.sequence)])
    return -1;
  for (int d = 0; d < static_cast<int>(shape.size()); ++d)
    if (d != tokens.sequence && shape[static_cast<size_t>(d)] == at.shape.row_length &&
        !numbers.uniform[static_cast<size_t>(d)])
      return d;
  return -1;
}

// Whether these are numbers of the distance between two places, as a mask of both has them.
bool is_by_distance(const Node* numbers, int one, int other) {
  const std::optional<Array> known = known_value(numbers);
  if (!known || one < 0) return false;
  const Shape& shape = numbers->type.shape;
  const Shape strides = row_major_strides(shape);
  const auto a = static_cast<size_t>(one), b = static_cast<size_t>(other);
  for (int64_t i = 0; i < std::ssize(known->data); ++i) {
    if (i / strides[a] % shape[a] == 0 || i / strides[b] % shape[b] == 0) continue;
    const auto at = static_cast<size_t>(i);
    if (!same_bits(known->data[at], known->data[at - strides[a] - strides[b]])) return false;
  }
  return true;
}

// A number of a free value must not depend on the row where a request is put; in a packed batch it
// must not depend on the place in the row either.
Expected<TokenAxes> combine(const TokenSite& at, const std::vector<const TokenAxes*>& all) {
  TokenAxes result = *all[0];
  for (const TokenAxes* axes : all) result = TRY(joined(at, result, *axes));
  const bool has_tokens = result.kind != Kind::Free;
  for (size_t i = 0; i < all.size(); ++i) {
    const TokenAxes* axes = all[i];
    if (axes->kind != Kind::Free) continue;
    if (at.is_padded() && has_tokens && result.place < 0)
      result.place = axis_of_places(at, result, *axes);
    for (size_t d = 0; d < axes->uniform.size(); ++d) {
      const auto axis = static_cast<int64_t>(d);
      if (!has_tokens)
        result.uniform[d] = result.uniform[d] && axes->uniform[d];
      else if (tracks(result, axis) && !axes->uniform[d] && at.placed && axis == result.sequence &&
               result.batch >= 0 &&
               !is_by_distance(at.node.in[i], axis_of_places(at, result, *axes), result.sequence))
        at.placed->push_back({.operand = i, .batch = result.batch, .sequence = result.sequence});
      else if (tracks(result, axis) && !axes->uniform[d] &&
               (at.is_packed() || axis == result.batch || axis == result.flat))
        return at.refuse("combines tokens with constants that vary along " +
                         std::string(name_of(result, axis)) + ", where another request may stand");
    }
  }
  return result;
}

}  // namespace

Error TokenSite::refuse(const std::string& what) const { return Error{called(node) + ": " + what}; }

Error TokenSite::mixes(const std::string& how) const {
  switch (shape.layout) {
    case Layout::Packed:
    case Layout::Unpacked:
      return refuse(how +
                    ", which would mix tokens of requests that share a row; compile it without "
                    "packing, or change the model so that attention alone does so, or its mask "
                    "leaves other tokens out");
    case Layout::Padded:
      return refuse(how +
                    ", where padding would be part of the answer; padding needs a model whose mask "
                    "leaves it out");
    case Layout::Whole: break;
  }
  return refuse(how + ", which would mix requests of different rows");
}

Expected<TokenAxes> TokenSite::meets(const std::string& how, const TokenAxes& row) const {
  if (shape.layout == Layout::Whole && row.batch >= 0) return row;
  return mixes(how);
}

bool tracks(const TokenAxes& axes, int64_t axis) {
  return axis >= 0 &&
         (axis == axes.batch || axis == axes.sequence || axis == axes.flat || axis == axes.key);
}

const char* name_of(const TokenAxes& axes, int64_t axis) {
  if (axis == axes.batch) return "the batch axis";
  return axis == axes.sequence || axis == axes.key ? "the sequence axis" : "the axis of all tokens";
}

TokenAxes without(const TokenAxes& token, int64_t axis) {
  if (token.key < 0) return rows_of(token, false);
  const int left = axis == token.key ? token.sequence : token.key;
  return {.kind = Kind::Token, .batch = token.batch, .sequence = left};
}

TokenAxes rows_of(const TokenAxes& token, bool drops_axis) {
  TokenAxes rows{.kind = Kind::Row, .batch = token.batch};
  if (drops_axis && rows.batch > token.sequence) --rows.batch;
  return rows;
}

namespace token_rules {

Result input(const TokenSite& at) {
  const TensorType& type = at.node.type;
  const TensorType wanted{
      DType::I32, {at.shape.rows, at.shape.row_length}
  };
  const bool has_rows = !type.shape.empty() && type.shape[0] == at.shape.rows;
  const TokenAxes tokens{.kind = Kind::Token, .batch = 0, .sequence = 1};
  if (is_by_token(type, wanted.shape)) return tokens;
  if (at.shape.layout == Layout::Whole && has_rows)
    return type.shape == wanted.shape ? tokens : TokenAxes{.kind = Kind::Row, .batch = 0};
  const bool is_long = type.dtype == DType::I32 && type.shape.size() > 2 && has_rows &&
                       type.shape[1] == at.shape.row_length;
  return Error{"input '" + at.node.name + "': is " + to_string(type) + ", must be " +
               to_string(wanted) + (is_long ? " or have no other axis as long as the row," : "") +
               " as every input of a model to " + (at.is_packed() ? "pack" : "pad")};
}

Result constant(const TokenSite& at) { return TokenAxes{.uniform = uniform_axes(at.node.value)}; }

// Places of a row, each below the row's number of tokens or not: the tokens that are there.
std::optional<TokenAxes> counted_places(const TokenSite& at) {
  if (!at.is_padded() || !at.node.is(Op::Less)) return std::nullopt;
  const TokenAxes &places = at.operand(0), &lengths = at.operand(1);
  if (places.kind != Kind::Free || lengths.kind != Kind::Row) return std::nullopt;
  const std::optional<int> axis = axis_of_counted_places(at.node);
  if (!axis || *axis == lengths.batch || at.node.type.shape[*axis] != at.shape.row_length)
    return std::nullopt;
  return TokenAxes{.kind = Kind::Token, .batch = lengths.batch, .sequence = *axis};
}

Result elementwise(const TokenSite& at) {
  if (const auto tokens = counted_places(at)) return *tokens;
  std::vector<const TokenAxes*> all;
  for (size_t i = 0; i < at.node.in.size(); ++i) all.push_back(&at.operand(i));
  return combine(at, all);
}

Result packed(const TokenSite& at) { return at.refuse("stands in a model that is packed already"); }

}  // namespace token_rules
}  // namespace tessera
