// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "passes/match.h"
#include "passes/own_numbers.h"
#include "passes/token_site.h"

namespace tessera {
namespace {

using Kind = TokenAxes::Kind;

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

// Axes of size 1 look alike: `taken` is another's.
int axis_at(const Shape& shape, const Place& place, int taken = -1) {
  for (int d = 0; d < static_cast<int>(shape.size()); ++d)
    if (d != taken && place_of(shape, d) == place) return d;
  return -1;
}

// Tokens' axis joined with axes of a token's numbers behind it: an axis of both.
std::optional<TokenAxes> with_numbers(const Shape& before, const Shape& after,
                                      const TokenAxes& from) {
  const auto [outside, tokens] = place_of(before, from.sequence);
  int64_t numbers = 1;
  for (int d = from.sequence + 1; d < static_cast<int>(before.size()); ++d) {
    if (tracks(from, d)) return std::nullopt;
    numbers *= before[d];
    const int joined = axis_at(after, {outside, tokens * numbers});
    const int batch = axis_at(after, place_of(before, from.batch), joined);
    if (numbers > 1 && joined >= 0 && batch >= 0)
      return TokenAxes{
          .kind = Kind::Token, .batch = batch, .sequence = joined, .inner = from.inner * numbers};
  }
  return std::nullopt;
}

// Axes that stay, or that numbers of a token join or leave.
std::optional<TokenAxes> followed(const TokenSite& at, const TokenAxes& from) {
  const Shape& before = at.node.in[0]->type.shape;
  const Shape& after = at.node.type.shape;
  TokenAxes result{.kind = Kind::Token,
                   .inner = from.inner,
                   .zeros_before = from.zeros_before,
                   .zeros_behind = from.zeros_behind};
  result.batch = axis_at(after, place_of(before, from.batch));
  if (result.batch < 0) return std::nullopt;
  const Place tokens = place_of(before, from.sequence);
  result.sequence = axis_at(after, tokens, result.batch);
  if (result.sequence < 0 && from.inner > 1) {
    result.sequence = axis_at(after, {tokens.outside, tokens.size / from.inner}, result.batch);
    result.inner = 1;
  }
  if (from.place >= 0 && before[from.place] > 1)
    result.place = axis_at(after, place_of(before, from.place), result.sequence);
  if (result.sequence < 0)
    return at.is_padded() && from.key < 0 && !from.has_zeros_around()
               ? with_numbers(before, after, from)
               : std::nullopt;
  if (from.key < 0) return result;
  result.key = axis_at(after, place_of(before, from.key), result.sequence);
  return result.key >= 0 ? std::optional(result) : std::nullopt;
}

// Tokens with cells of 0 put around each row, which their neighbours are then found in. Where the
// cells behind a request hold 0 too, its tokens have the neighbours that they have alone.
std::optional<TokenAxes> between_zeros(const TokenSite& at, int64_t axis) {
  if (!at.is_padded()) return std::nullopt;
  std::optional<TokenAxes> tokens;
  int64_t before = 0, behind = 0;
  for (size_t i = 0; i < at.node.in.size(); ++i) {
    const TokenAxes& axes = at.operand(i);
    const bool is_zero = axes.kind == Kind::Free && splat(at.node.in[i]) == 0.0;
    if (is_zero) {
      (tokens ? behind : before) += at.node.in[i]->type.shape[static_cast<size_t>(axis)];
      continue;
    }
    const bool are_tokens = axes.kind == Kind::Token && axes.sequence == axis && axes.place < 0;
    if (tokens || !are_tokens || !axes.is_plain() || !at.added_to(i).is_zero()) return std::nullopt;
    tokens = axes;
  }
  if (!tokens) return std::nullopt;
  tokens->zeros_before = before;
  tokens->zeros_behind = behind;
  return tokens;
}

}  // namespace

namespace token_rules {

Result broadcast(const TokenSite& at) {
  const TokenAxes& from = at.operand(0);
  const Shape& shape = at.node.in[0]->type.shape;
  const size_t added = at.rank() - shape.size();
  if (from.kind == Kind::Free) {
    TokenAxes result{.uniform = std::vector<bool>(at.rank(), true)};
    for (size_t d = 0; d < shape.size(); ++d)
      result.uniform[added + d] = from.uniform[d] || shape[d] == 1;
    return result;
  }
  TokenAxes result = moved(from, [&](int axis) { return axis + static_cast<int>(added); });
  for (int axis : {from.batch, from.sequence, from.flat, from.key})
    if (axis >= 0 && shape[axis] != at.node.type.shape[axis + added])
      return at.refuse("stretches " + std::string(name_of(from, axis)) +
                       ", which must stay as long");
  return result;
}

Result transpose(const TokenSite& at) {
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

Result reshape(const TokenSite& at) {
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
    return at.refuse("reshapes the rows of a batch into others, which cannot be followed");
  }
  const int first = from.flat >= 0 ? from.flat : from.batch;
  const int64_t outside = place_of(before, first).outside;
  if (from.flat >= 0) {
    result.batch = axis_at(after, {outside, at.shape.rows});
    result.sequence = axis_at(after, {outside * at.shape.rows, at.shape.row_length}, result.batch);
    if (result.batch >= 0 && result.sequence >= 0) return result;
  } else {
    if (const auto tokens = followed(at, from)) return *tokens;
    result.batch = axis_at(after, place_of(before, from.batch));
  }
  const bool in_order = from.is_plain() && (from.flat >= 0 || from.sequence == from.batch + 1);
  const int flat = axis_at(after, {outside, at.shape.rows * at.shape.row_length});
  if (in_order && flat >= 0) return TokenAxes{.kind = Kind::Token, .flat = flat};
  return at.meets("reshapes " + to_string(before) + " to " + to_string(after) +
                      ", which takes tokens apart or joins them with other axes",
                  {.kind = Kind::Row, .batch = result.batch});
}

Result slice(const TokenSite& at) {
  TokenAxes from = at.operand(0);
  if (from.kind == Kind::Free) return from;
  if (takes_first_token(&at.node, from)) return rows_of(from, false);
  bool of_sequence = false;
  for (int d = 0; d < static_cast<int>(at.rank()); ++d) {
    const bool whole = at.node.ints("start")[d] == 0 && at.node.ints("step")[d] == 1 &&
                       at.node.ints("size")[d] == at.node.in[0]->type.shape[d];
    if (!whole && d == from.place) from.place = -1;
    if (whole || !tracks(from, d)) continue;
    if (d != from.sequence) return at.mixes("takes a part of " + std::string(name_of(from, d)));
    of_sequence = true;
  }
  if (!of_sequence) return from;
  if (from.has_zeros_around() && at.node.ints("step")[from.sequence] == 1 &&
      at.node.ints("size")[from.sequence] == at.shape.row_length) {
    from.zeros_before = from.zeros_behind = 0;
    return from;
  }
  return at.meets("takes a part of the sequence axis", rows_of(from, false));
}

Result concat(const TokenSite& at) {
  const int64_t axis = at.node.int_attr("axis");
  if (const auto tokens = between_zeros(at, axis)) return *tokens;
  TokenAxes result = TRY(elementwise(at));
  if (result.kind == Kind::Free) result.uniform[axis] = false;
  if (axis == result.place) result.place = -1;
  if (!tracks(result, axis)) return result;
  const std::string how = "puts values beside each other along ";
  if (axis != result.sequence) return at.mixes(how + name_of(result, axis));
  return at.meets(how + name_of(result, axis), rows_of(result, false));
}

// Free of tokens: what is found is alike along an axis along which both are.
TokenAxes found_of_free(const TokenAxes& table, const TokenAxes& indices, int axis) {
  TokenAxes found{.uniform = table.uniform};
  const auto at = found.uniform.erase(found.uniform.begin() + axis);
  found.uniform.insert(at, indices.uniform.begin(), indices.uniform.end());
  return found;
}

Result gather(const TokenSite& at) {
  const TokenAxes &table = at.operand(0), &indices = at.operand(1);
  const auto axis = static_cast<int>(at.node.int_attr("axis"));
  const auto added = static_cast<int>(at.node.in[1]->type.shape.size());
  if (table.kind == Kind::Free && indices.kind == Kind::Free)
    return found_of_free(table, indices, axis);
  if (table.kind == Kind::Free)
    return moved(indices, [&](int index_axis) { return axis + index_axis; });
  if (indices.kind != Kind::Free) return at.mixes("looks tokens up by the values of tokens");
  if (takes_first_token(&at.node, table) && added <= 1) return rows_of(table, added == 0);
  TokenAxes found = moved(table, [&](int old) { return old > axis ? old + added - 1 : old; });
  if (axis == table.place) found.place = -1;
  if (table.inner > 1 && axis == table.sequence) {
    const int64_t tokens = at.node.in[0]->type.shape[axis] / table.inner;
    const std::optional<int> own = axis_of_own_numbers(*at.node.in[1], tokens, table.inner);
    if (!own) return at.mixes("looks up numbers of another token");
    found.sequence = axis + *own;
    found.inner = 1;
    return found;
  }
  if (!tracks(table, axis)) return found;
  const std::string how = "takes a part of " + std::string(name_of(table, axis));
  if (axis != table.sequence) return at.mixes(how);
  return at.meets(how, rows_of(found, false));
}

}  // namespace token_rules
}  // namespace tessera
