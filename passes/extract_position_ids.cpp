// SPDX-License-Identifier: Apache-2.0
// Positions that a model makes for itself become an input, position_ids.
//
// In a packed row a request starts anywhere, so the place in the row is not a position. Exporters
// bake it in: a table of floats looked up at 0, 1, 2 … (whatever subgraph made those, it has folded
// to a constant by now), the rows of that table as a constant that is added, or a running count
// of tokens: of those that are not padding, as RoBERTa's, or of the mask. Each becomes a lookup at
// position_ids, which restarts at 0 for each request; what the model adds to a position stays in
// the graph. A model that takes positions as an input already keeps its own.
#include <algorithm>
#include <optional>

#include "passes/match.h"
#include "passes/packable.h"
#include "passes/passes.h"

namespace tessera {
namespace {

struct Counted {
  int64_t offset = 0;       // the position of a request's first token
  int64_t padding_id = -1;  // that is not counted; -1: every token is
  bool by_mask = false;
};

// A lookup of positions: where a value [batch,sequence,…] of them is used, and how it was made.
struct Lookup {
  Node* table = nullptr;  // [positions,…]
  Counted counted = {};
  Node* before = nullptr;
  std::vector<Node*> values = {};  // each a view of the lookup
  Node* only_in = nullptr;         // null: in all their users
};

// Values of a constant behind views. Nothing if they are more than positions can be.
std::optional<Array> constant_array(const Node* node) {
  constexpr int64_t kMostPositions = int64_t{1} << 24;
  std::vector<const Node*> views;
  for (; is_view(node) && views.size() < kFarthest; node = node->in[0]) views.push_back(node);
  if (!node->is(Op::Constant) || !node->value.has_data()) return std::nullopt;
  views.push_back(node);
  for (const Node* view : views)
    if (elements(view->type.shape) > kMostPositions) return std::nullopt;
  Array values = to_array(node->value);
  views.pop_back();
  for (; !views.empty(); views.pop_back()) {
    Expected<Array> result = eval(*views.back(), {&values, 1});
    if (!result) return std::nullopt;
    values = result.take();
    values.type = views.back()->type;
  }
  return values;
}

// offset, offset + 1, … along the last axis, the same in every row.
std::optional<int64_t> counted_from(const Node* index, int64_t row_length) {
  const Shape& shape = index->type.shape;
  if (shape.empty() || shape.back() != row_length || elements(shape) == 0) return std::nullopt;
  const std::optional<Array> values = constant_array(index);
  if (!values) return std::nullopt;
  const double first = values->data[0];
  for (size_t i = 0; i < values->data.size(); ++i)
    if (values->data[i] != first + static_cast<double>(i % row_length)) return std::nullopt;
  return static_cast<int64_t>(first);
}

// Reshapes keep the order of tokens.
Node* behind_casts(Node* node) {
  for (int i = 0; i < kFarthest && (node->is(Op::Cast) || node->is(Op::Reshape)); ++i)
    node = node->in[0];
  return node;
}

// The inputs that tell which tokens there are.
struct Tokens {
  const Node* ids = nullptr;
  const Node* mask = nullptr;  // null: there is none
};

// "Is a token" as 0 and 1: not (ids == padding), by which the padding id is known; or the mask,
// also as not (mask == 0), -1, under which every token of a request is one.
std::optional<double> padding_of_mask(Node* node, const Tokens& tokens) {
  node = behind_casts(node);
  if (node == tokens.mask) return -1;
  if (!node->is(Op::Not) || !node->in[0]->is(Op::Equal)) return std::nullopt;
  const auto compared_with = [&](const Node* input) {
    return other_operand(node->in[0], [&](Node* in) { return behind_casts(in) == input; });
  };
  const Node* number = tokens.mask ? compared_with(tokens.mask) : nullptr;
  if (number && splat(number) == 0.0) return -1;
  number = compared_with(tokens.ids);
  return number ? splat(number) : std::nullopt;
}

// Takes the numbers off sums and differences, adds them to `sum` and returns the rest.
Node* without_numbers(Node* node, double& sum) {
  node = behind_casts(node);
  for (int i = 0; i < kFarthest; ++i) {
    std::optional<double> number;
    const auto is_number = [&](Node* in) { return (number = splat(in)).has_value(); };
    Node* rest = nullptr;
    if (node->is(Op::Add)) rest = other_operand(node, is_number);
    if (node->is(Op::Sub) && is_number(node->in[1])) rest = node->in[0];
    if (!rest) break;
    sum += node->is(Op::Add) ? *number : -*number;
    node = behind_casts(rest);
  }
  return node;
}

// The count of tokens so far, times the mask, plus a number: the padding id, as in RoBERTa.
std::optional<Counted> counted_tokens(Node* index, const Tokens& tokens) {
  double first = 1;
  std::optional<double> factor;
  index = without_numbers(index, first);
  if (index->is(Op::Mul)) {
    index = other_operand(index, [&](Node* in) {
      factor = padding_of_mask(in, tokens);
      return factor.has_value();
    });
    if (!index) return std::nullopt;
    index = without_numbers(index, first);
  }
  if (!index->is(Op::CumSum) || index->int_attr("axis") != 1 ||
      index->type.shape != tokens.ids->type.shape)
    return std::nullopt;
  const std::optional<double> padding = padding_of_mask(index->in[0], tokens);
  if (!padding || (factor && factor != padding)) return std::nullopt;
  return Counted{static_cast<int64_t>(first), static_cast<int64_t>(*padding), *padding < 0};
}

// The views of a value that have `shape`, [batch,sequence,width]; false if something else happens
// to it first. All of them end in the same two axes, or have a row for every token, so that a
// position stays one.
bool find_views(Node* value, const Shape& shape, const UserMap& users, std::vector<Node*>& found,
                int depth = kFarthest) {
  const Shape& own = value->type.shape;
  const Shape flat = {shape[0] * shape[1], shape[2]};
  if (depth == 0 || own.size() < 2) return false;
  if (own != flat && !std::equal(own.end() - 2, own.end(), shape.end() - 2)) return false;
  if (own == shape) {
    found.push_back(value);
    return true;
  }
  const auto users_of_value = users.find(value);
  if (users_of_value == users.end()) return false;
  return std::ranges::all_of(users_of_value->second, [&](Node* user) {
    return (user->is(Op::Reshape) || user->is(Op::Broadcast)) &&
           find_views(user, shape, users, found, depth - 1);
  });
}

class Extraction {
 public:
  Extraction(Graph& graph, const Node* ids)
      : graph_(graph),
        ids_(ids),
        tokens_{ids, find_mask(graph, ids)},
        users_(users_of(graph)),
        rows_(ids->type.shape[0]),
        row_length_(ids->type.shape[1]) {}

  std::vector<Lookup> find();
  // The input of a model that takes positions already: beside the ids, one that is only looked up
  // in a table with a row for every position.
  const Node* given() const;
  void rewrite(const Lookup& lookup, Node* positions);

 private:
  std::optional<Lookup> match_gather(Node* node);
  std::optional<Lookup> match_added(Node* node) const;
  bool may_be_positions(const Node* input) const;
  std::optional<int64_t> count_of(const Node* index);

  Graph& graph_;
  const Node* ids_;
  Tokens tokens_;
  UserMap users_;
  int64_t rows_, row_length_;
  std::unordered_map<const Node*, std::optional<int64_t>> counts_;  // of indices
};

// Many lookups may have one index.
std::optional<int64_t> Extraction::count_of(const Node* index) {
  const auto [count, is_new] = counts_.try_emplace(index);
  if (is_new) count->second = counted_from(index, row_length_);
  return count->second;
}

std::optional<Lookup> Extraction::match_gather(Node* node) {
  if (!node->is(Op::Gather) || node->int_attr("axis") != 0) return std::nullopt;
  Node* table = node->in[0];
  const bool holds_numbers = is_float(table->type.dtype) || is_byte(table->type.dtype);
  if (!table->is(Op::Constant) || !holds_numbers || table->type.shape.size() != 2)
    return std::nullopt;
  const std::optional<int64_t> offset = count_of(node->in[1]);
  std::optional<Counted> counted = offset ? Counted{*offset} : counted_tokens(node->in[1], tokens_);
  if (!counted) return std::nullopt;
  Lookup lookup{.table = table, .counted = *counted, .before = node};
  const Shape shape = {rows_, row_length_, table->type.shape[1]};
  if (!find_views(node, shape, users_, lookup.values)) return std::nullopt;
  return lookup;
}

// Rows of a table, already looked up: a constant [1,sequence,…] that is added to tokens.
std::optional<Lookup> Extraction::match_added(Node* node) const {
  if (!node->is(Op::Add) || node->type.shape.size() != 3 || node->type.shape[0] != rows_ ||
      node->type.shape[1] != row_length_)
    return std::nullopt;
  for (Node* operand : node->in) {
    Node* rows = behind_broadcasts(operand);
    const Shape& shape = rows->type.shape;
    const Shape wanted = {row_length_, node->type.shape[2]};
    const bool fits = rows->is(Op::Constant) && shape.size() >= 2 && !splat(rows) &&
                      elements(shape) == elements(wanted) &&
                      std::equal(wanted.begin(), wanted.end(), shape.end() - 2);
    if (fits) return Lookup{.table = rows, .before = node, .values = {operand}, .only_in = node};
  }
  return std::nullopt;
}

// All of them before any is rewritten.
std::vector<Lookup> Extraction::find() {
  std::vector<Lookup> lookups;
  for (const auto& node : graph_.nodes()) {
    if (auto lookup = match_gather(node.get())) lookups.push_back(*lookup);
    if (auto lookup = match_added(node.get())) lookups.push_back(*lookup);
  }
  return lookups;
}

bool Extraction::may_be_positions(const Node* input) const {
  for (const char* other : {"type", "segment"})
    if (input->name.find(other) != std::string::npos) return false;
  const auto found = users_.find(input);
  return found != users_.end() && !graph_.is_output(input) &&
         std::ranges::all_of(found->second, [&](const Node* user) {
           return user->is(Op::Gather) && user->in[0] != input && user->int_attr("axis") == 0 &&
                  user->in[0]->type.shape[0] >= row_length_;
         });
}

const Node* Extraction::given() const {
  std::vector<const Node*> candidates;
  for (const Node* input : graph_.inputs)
    if (input != ids_ && input->type == ids_->type && may_be_positions(input))
      candidates.push_back(input);
  if (candidates.size() == 1) return candidates[0];
  for (const Node* input : candidates)
    if (input->name.find("position") != std::string::npos) return input;
  return nullptr;
}

void Extraction::rewrite(const Lookup& lookup, Node* positions) {
  const Node* before = lookup.before;
  Node* table = put_reshape(graph_, before, lookup.table,
                            {elements(lookup.table->type.shape) / lookup.table->type.shape.back(),
                             lookup.table->type.shape.back()});
  Node* index = positions;
  if (lookup.counted.offset != 0) {
    Node* offset = put_splat(graph_, before, DType::I32, static_cast<double>(lookup.counted.offset),
                             positions->type.shape);
    index = put(graph_, before, before, Op::Add, {positions, offset});
  }
  Node* found = put(graph_, before, before, Op::Gather,
                    {
                        table, index
  },
                    {{"axis", int64_t{0}}});
  for (Node* value : lookup.values) {
    if (!lookup.only_in) graph_.replace_uses(value, found);
    for (size_t i = 0; lookup.only_in && i < lookup.only_in->in.size(); ++i)
      if (lookup.only_in->in[i] == value) graph_.set_operand(lookup.only_in, i, found);
  }
}

}  // namespace

Expected<bool> extract_position_ids(Graph& graph, PassState& state) {
  const Node* ids = find_ids(graph);
  if (!ids) return false;
  Extraction extraction(graph, ids);
  const std::vector<Lookup> lookups = extraction.find();
  if (lookups.empty()) {
    if (const Node* given = extraction.given()) state.packing.position_input = given->name;
    return false;
  }
  for (const Lookup& lookup : lookups) {
    if (lookup.counted.by_mask) state.packing.mask_counts = true;
    const int64_t padding_id = lookup.counted.padding_id;
    if (padding_id < 0) continue;
    if (state.packing.padding_id >= 0 && state.packing.padding_id != padding_id)
      return Error{called(*lookup.before) + ": counts positions without id " +
                   std::to_string(padding_id) + ", must leave out " +
                   std::to_string(state.packing.padding_id) + " as the others to be packed"};
    state.packing.padding_id = padding_id;
  }
  Node* positions = graph.add_input("position_ids", ids->type);
  state.packing.position_input = positions->name;
  for (const Lookup& lookup : lookups) extraction.rewrite(lookup, positions);
  return true;
}

}  // namespace tessera
