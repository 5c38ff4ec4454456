// SPDX-License-Identifier: Apache-2.0
#include "compiler/lengths.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "compiler/decided_sizes.h"
#include "compiler/known_numbers.h"
#include "compiler/onnx/import/import.h"
#include "passes/match.h"
#include "passes/own_numbers.h"
#include "passes/packable.h"
#include "passes/paddable.h"
#include "passes/passes.h"
#include "passes/picked_tokens.h"
#include "passes/split_merged_axes.h"
#include "passes/token_axes.h"

namespace tessera {
namespace {

// The size of a batch that a model is imported for.
struct Size {
  int64_t rows = 0, length = 0;
};

// Rows are compared at this many tokens at most: numbers of the rows are the same at any length.
constexpr int64_t kShort = 16;
// Masks of more scores than this take longer to fold than a model takes to import at one row.
constexpr int64_t kManyScores = int64_t{1} << 18;

// The sizes that the model leaves open, on the axes of the ids.
struct Open {
  bool rows = false, length = false;
};

Open open_sizes(const Graph& graph, const Node& ids, const OpenModel& model) {
  std::unordered_map<std::string, size_t> by_token;  // with their numbers of axes
  for (const Node* input : graph.inputs)
    if (is_by_token(input->type, ids.type.shape)) by_token[input->name] = input->type.shape.size();
  Open open;
  for (const DeclaredInput& one : model.declared_inputs()) {
    const auto found = by_token.find(one.name);
    if (found == by_token.end() || one.shape.size() < 2) continue;
    const size_t length = one.shape.size() > found->second ? 2 : 1;  // behind an axis of choices
    open.rows = open.rows || one.shape[0] < 0;
    open.length = open.length || one.shape[length] < 0;
  }
  return open;
}

InputShapes with_size(const Graph& graph, const Node& ids, const Size& size) {
  InputShapes shapes;
  for (const Node* input : graph.inputs) {
    Shape& shape = shapes[input->name] = input->type.shape;
    const bool by_token = shape == ids.type.shape || is_by_token(input->type, ids.type.shape);
    if (by_token) shape[0] = size.rows;
    if (by_token) shape[1] = size.length;
  }
  return shapes;
}

// Lengths to compare with: the first is the size of no axis of the graph, so that what is as long
// follows the row; the others find what changes in steps.
std::vector<int64_t> other_lengths(const Graph& graph, int64_t length) {
  std::set<int64_t> sizes;
  for (const auto& node : graph.nodes())
    for (const int64_t dim : node->type.shape) sizes.insert(dim);
  int64_t unlike = length - 1;
  while (unlike > 2 && sizes.contains(unlike)) --unlike;
  if (unlike < 3)
    for (unlike = length + 1; sizes.contains(unlike);) ++unlike;
  std::vector<int64_t> lengths = {unlike};
  for (const int64_t other : {(length + 1) / 2, int64_t{3}, int64_t{2}, int64_t{1}})
    if (other < length && std::ranges::find(lengths, other) == lengths.end())
      lengths.push_back(other);
  return lengths;
}

// Attributes that are sizes follow the length; all others say what is done.
bool same_attributes(const Node& a, const Node& b) {
  if (a.attrs.size() != b.attrs.size()) return false;
  return std::ranges::equal(a.attrs, b.attrs, [](const auto& x, const auto& y) {
    const bool is_size = x.first == "shape" || x.first == "size";
    return x.first == y.first && (is_size || x.second == y.second);
  });
}

// Lookups of what a token says of each distance, and the products that they take it out of. Of one
// token there is one distance, and nothing says which column it is.
std::unordered_set<const Node*> lookups_of_own_numbers(const Graph& graph) {
  std::unordered_set<const Node*> found;
  for (const auto& node : graph.nodes()) {
    if (!own_numbers(*node)) continue;
    found.insert(node.get());
    const Node* product = node->in[0];
    for (int i = 0; i < kFarthest && is_view(product); ++i) product = product->in[0];
    if (is_float_matmul(product)) found.insert(product);
  }
  return found;
}

// Two graphs of one model, node by node.
class Twins {
 public:
  Twins(const Graph& graph, const Size& size, const Graph& other, const Size& other_size)
      : graph_(graph),
        size_(size),
        other_(other),
        other_size_(other_size),
        by_rows_(size.rows != other_size.rows),
        users_(users_of(graph)),
        scores_(scores_of_softmax(graph, users_)),
        own_lookups_(lookups_of_own_numbers(graph)) {}

  // In a user's words; "" if there is none.
  std::string first_difference();
  // The same at one row or one token, where what moves and stretches that axis is missing.
  std::string first_difference_at_one();

 private:
  const Node* twin_of(const Node* value) const;
  const Node* untaken(const Node* value) const;
  std::string another_at_one(const Node& node) const;
  bool are_alike_at_one(const Node& node, const Node& same, size_t i) const;
  int64_t of(const Size& size) const { return by_rows_ ? size.rows : size.length; }
  const char* unit() const { return by_rows_ ? "rows" : "tokens"; }
  std::string number(const Node& node, const Node* known, const Node* other) const;
  bool weighs_alike(const Node& sum, const Node* known, const Node* other) const;

  const Graph& graph_;
  const Size& size_;
  const Graph& other_;
  const Size& other_size_;
  const bool by_rows_;
  const UserMap users_;
  const std::unordered_set<const Node*> scores_;
  const std::unordered_set<const Node*> own_lookups_;
  std::unordered_set<const Node*> taken_at_one_;  // slices of the other that stand for lookups
  std::unordered_map<const Node*, const Node*> twin_;
  std::set<std::pair<const Node*, const Node*>> alike_;  // known values
};

// Whether `sum` is scores of a softmax alone, which gives the same weights with both numbers.
bool Twins::weighs_alike(const Node& sum, const Node* known, const Node* other) const {
  return !by_rows_ && sum.is(Op::Add) && scores_.contains(&sum) &&
         differ_by_query(Known(known), Known(other));
}

// The error for `node`: the number that it takes from the length or the number of rows.
std::string Twins::number(const Node& node, const Node* known, const Node* other) const {
  const Node* user = &node;
  for (auto of = users_.find(user); of != users_.end() && is_view(user); of = users_.find(user))
    user = of->second.front();
  const Known a(known), b(other);
  const bool is_number =
      elements(a.constant.type().shape) == 1 && elements(b.constant.type().shape) == 1;
  return called(*user) + ": uses a number that is made of the " +
         (by_rows_ ? "number of rows" : "row length") +
         (is_number ? fmt::format(" ({:g} at {} {}, {:g} at {})", element(a.constant, 0), of(size_),
                                  unit(), element(b.constant, 0), of(other_size_))
                    : "") +
         (by_rows_ ? ", which is another for a request alone"
                   : ", which is another for a shorter request");
}

std::string Twins::first_difference() {
  const std::string another =
      fmt::format("its graph is another at {} {} than at {}", of(other_size_), unit(), of(size_));
  const auto computed = [](const Graph& graph) {
    std::vector<const Node*> nodes;
    for (const auto& node : graph.nodes())
      if (!is_known(node.get())) nodes.push_back(node.get());
    return nodes;
  };
  const std::vector<const Node*> nodes = computed(graph_), others = computed(other_);
  if (nodes.size() != others.size()) return another;
  for (size_t n = 0; n < nodes.size(); ++n) {
    const Node &node = *nodes[n], &same = *others[n];
    twin_[&node] = &same;
    if (node.op != same.op || node.in.size() != same.in.size()) return another;
    for (size_t i = 0; i < node.in.size(); ++i) {
      const Node *in = node.in[i], *other = same.in[i];
      const bool known = is_known(in);
      if (known != is_known(other) || (!known && twin_.at(in) != other)) return another;
      if (!known || alike_.contains({in, other})) continue;
      if (begin_alike(Known(in), Known(other)))
        alike_.insert({in, other});
      else if (!(i == 1 && look_up_alike(node, same)) && !weighs_alike(node, in, other))
        return number(node, in, other);
    }
    const bool differs = deals_anew(node) && !deal_alike(node, same);
    if (differs || !same_attributes(node, same))
      return called(node) + (by_rows_ ? ": does another thing for other rows"
                                      : ": does another thing for a shorter row");
  }
  return "";
}

// The value behind views and broadcasts, which an exporter, or a fold, leaves out where an axis is
// of one.
const Node* unmoved(const Node* node) {
  for (int i = 0; i < kFarthest && (is_view(node) || node->is(Op::Broadcast)); ++i) {
    if (is_known(node)) break;
    node = node->in[0];
  }
  return node;
}

std::vector<const Node*> computing_nodes(const Graph& graph) {
  std::vector<const Node*> nodes;
  for (const auto& node : graph.nodes())
    if (!is_known(node.get()) && unmoved(node.get()) == node.get()) nodes.push_back(node.get());
  return nodes;
}

std::string Twins::first_difference_at_one() {
  const std::vector<const Node*> nodes = computing_nodes(graph_), others = computing_nodes(other_);
  size_t at = 0;
  for (const Node* node : nodes) {
    const bool looks_up = own_lookups_.contains(node) && node->is(Op::Gather);
    for (; looks_up && at < others.size() && others[at]->is(Op::Slice); ++at)
      taken_at_one_.insert(others[at]);
    const Node* same = at < others.size() ? others[at] : nullptr;
    if (!same || same->op != node->op) {
      if (!looks_up) return another_at_one(*node);
      twin_[node] = twin_of(node->in[0]);
      continue;
    }
    ++at;
    twin_[node] = same;
    const bool alike = looks_up || same_attributes(*node, *same);
    if (node->in.size() != same->in.size() || !alike) return another_at_one(*node);
    for (size_t i = 0; i < node->in.size(); ++i) {
      if (is_known(node->in[i]) && is_known(same->in[i])) {
        if (!are_alike_at_one(*node, *same, i)) return number(*node, node->in[i], same->in[i]);
      } else if (twin_of(node->in[i]) != untaken(same->in[i])) {
        return another_at_one(*node);
      }
    }
  }
  return at == others.size() ? "" : another_at_one(*others[at]);
}

const Node* Twins::untaken(const Node* value) const {
  const Node* from = unmoved(value);
  while (taken_at_one_.contains(from)) from = unmoved(from->in[0]);
  return from;
}

const Node* Twins::twin_of(const Node* value) const {
  const auto found = twin_.find(unmoved(value));
  return found == twin_.end() ? nullptr : found->second;
}

std::string Twins::another_at_one(const Node& node) const {
  return fmt::format("its graph is another at one {} than at {} {}: from {} on",
                     by_rows_ ? "row" : "token", of(size_), unit(), called(node));
}

// Whether an operand of `node` and of `same` holds the same numbers; both are known.
bool Twins::are_alike_at_one(const Node& node, const Node& same, size_t i) const {
  const Node *in = node.in[i], *other = same.in[i];
  if (own_lookups_.contains(&node)) return true;
  if (in->type.shape.size() != other->type.shape.size())
    return splat(in) && splat(in) == splat(other);
  return begin_alike(Known(in), Known(other)) || weighs_alike(node, in, other);
}

// Folded, so that numbers which are computed from the length are compared too. All of them: what is
// folded by its size at one length alone would make two graphs of one model.
Status fold(Graph& graph, const CompileOptions& options, const Deadline& deadline) {
  PassState state;
  state.options.folds_all = true;
  state.limits = options.limits;
  state.deadline = &deadline;
  TRY(fold_constants(graph, state));
  TRY(cancel_lookups(graph, state));
  graph.remove_dead();
  spell_own_numbers(graph);
  order_by_distance(graph);
  // The index of a token is made of lengths, whatever token it names.
  if (const Node* ids = find_ids(graph))
    TRY(settle_picked_tokens(graph, ids, find_mask(graph, ids)));
  return {};
}

std::string not_of_every(const Size& other, const Size& size, const Error& error) {
  if (other.rows != size.rows) return "it is not of any number of rows: " + error.message;
  return fmt::format("it is not of every length: at {} tokens {}", other.length, error.message);
}

// A model's graph at other sizes than that of `graph`.
struct Sizes {
  const Graph& graph;
  const Node& ids;
  const OpenModel& model;
  const CompileOptions& options;
  const Deadline& deadline;

  // Choices of the imports that were made, by their rows and length.
  mutable std::map<std::pair<int64_t, int64_t>, std::vector<Decision>> decisions;

  // The graph itself, where the size is its own.
  Expected<Graph> import(const Size& size) const {
    if (ids.type.shape == Shape{size.rows, size.length}) return graph.clone();
    auto imported = model.import(with_size(graph, ids, size), options.limits, &deadline);
    if (!imported.ok()) return imported.error();
    decisions[{size.rows, size.length}] = std::move(imported->decisions);
    return std::move(imported->graph);
  }
  // The first difference of the graphs at `size` and at one of the others, in a user's words; "" if
  // there is none. `first` is the graph at the first of the others, if the caller has it.
  Expected<std::string> difference(const Size& size, const std::vector<Size>& others,
                                   std::optional<Graph> first = std::nullopt) const {
    std::optional<Graph> one;
    for (const Size& other : others) {
      if (!one) {
        auto imported = import(size);
        if (!imported.ok()) return refusal(imported.error(), other, size);
        one = imported.take();
        TRY(fold(*one, options, deadline));
      }
      auto same = first ? Expected<Graph>(std::move(*first)) : import(other);
      first.reset();
      if (!same.ok()) return refusal(same.error(), other, size);
      TRY(fold(*same, options, deadline));
      Twins twins(*one, size, *same, other);
      const bool at_one = other.rows < size.rows ? other.rows == 1 : other.length == 1;
      std::string found = at_one ? twins.first_difference_at_one() : twins.first_difference();
      if (!found.empty()) return found;
    }
    return std::string();
  }
  // The same at the sizes between, of rows or of tokens, where a choice of the imports that were
  // made may fall otherwise.
  Expected<std::string> difference_between(const Size& size, bool by_rows) const {
    DecisionsBySize tried;
    for (const auto& [at, made] : decisions)
      if ((by_rows ? at.second == size.length : at.first == size.rows))
        tried[by_rows ? at.first : at.second] = made;
    const DecidedSizes between = decided_sizes(tried, by_rows ? size.rows : size.length);
    if (!between.undecided.empty())
      return fmt::format("node '{}': chooses by a number that is made of the {}", between.undecided,
                         by_rows ? "number of rows" : "row length");
    std::vector<Size> others;
    for (const int64_t one : between.sizes)
      others.push_back(by_rows ? Size{one, size.length} : Size{size.rows, one});
    return difference(size, others);
  }

 private:
  // A limit that is passed says nothing about the model.
  static Expected<std::string> refusal(const Error& error, const Size& other, const Size& size) {
    if (error.kind == ErrorKind::Refused) return error;
    return not_of_every(other, size, error);
  }
};

// The proof of axes where nothing but the row is as long: at the first of the other lengths.
Expected<std::string> wrong_axes(Graph graph, const CompileOptions& options, bool is_packed,
                                 const Deadline& deadline) {
  PassState state;
  state.limits = options.limits;
  state.deadline = &deadline;
  state.options.position_ids = state.options.whole_mask = is_packed;
  state.options.widens_halves = true;  // as no axis depends on it
  TRY(run_passes(graph, state, {}, {options.skip_passes.begin(), options.skip_passes.end()}, ""));
  const Node* ids = find_ids(graph);
  if (!ids) return std::string();
  if (!is_packed) {
    TRY(settle_picked_tokens(graph, ids, find_mask(graph, ids)));
    split_merged_rows(graph, ids);
    spell_own_numbers(graph);
  }
  if (is_packed)
    if (const Status settled = settle_packed(graph, ids, state.packing); !settled.ok())
      return settled.error().message;
  if (!is_packed) {
    const auto padded = find_padded_axes(graph, ids, /*only_rows_are_so_long=*/true);
    return padded.ok() ? std::string() : padded.error().message;
  }
  const auto axes = find_token_axes(graph, {.rows = ids->type.shape[0],
                                            .row_length = ids->type.shape[1],
                                            .layout = Layout::Packed,
                                            .only_rows_are_so_long = true});
  return axes.ok() ? std::string() : axes.error().message;
}

}  // namespace

Expected<std::string> number_of_length(const Graph& graph, const OpenModel& model,
                                       const CompileOptions& options, bool is_packed,
                                       const Deadline& deadline) {
  const Node* ids = find_ids(graph);
  if (!ids || ids->type.shape[1] < 2) return std::string();
  const Open open = open_sizes(graph, *ids, model);
  if (!open.length) return std::string();
  const Sizes sizes{graph, *ids, model, options, deadline, {}};
  const std::vector<int64_t> lengths = other_lengths(graph, ids->type.shape[1]);
  auto like = sizes.import({ids->type.shape[0], lengths.front()});
  if (!like.ok() && like.error().kind == ErrorKind::Refused) return like.error();
  if (like.ok()) {
    const std::string axes = TRY(wrong_axes(like->clone(), options, is_packed, deadline));
    if (!axes.empty()) return axes;
  }
  // Numbers of the length are the same for any rows, and one row has the fewest of them.
  Size size{ids->type.shape[0], ids->type.shape[1]};
  const bool many = size.rows * size.length * size.length > kManyScores;
  if (many && open.rows) size.rows = 1;
  std::vector<Size> others;
  for (const int64_t length : lengths) others.push_back({size.rows, length});
  std::optional<Graph> first;
  if (like.ok() && size.rows == ids->type.shape[0]) first = like.take();
  const std::string found = TRY(sizes.difference(size, others, std::move(first)));
  return found.empty() ? sizes.difference_between(size, /*by_rows=*/false) : found;
}

Expected<std::string> number_of_rows(const Graph& graph, const OpenModel& model,
                                     const CompileOptions& options, const Deadline& deadline) {
  const Node* ids = find_ids(graph);
  if (!ids) return std::string();
  const Open open = open_sizes(graph, *ids, model);
  if (!open.rows) return std::string();
  const Size size{ids->type.shape[0],
                  open.length ? std::min(ids->type.shape[1], kShort) : ids->type.shape[1]};
  const Sizes sizes{graph, *ids, model, options, deadline, {}};
  // From one row to two a broadcast may come in; with one there is nobody else.
  if (size.rows == 1) {
    const auto other = sizes.import({2, size.length});
    if (!other.ok() && other.error().kind == ErrorKind::Refused) return other.error();
    return other.ok() ? "" : not_of_every({2, size.length}, size, other.error());
  }
  std::string found =
      TRY(sizes.difference(size, {
                                     {size.rows + 1, size.length},
                                     {1,             size.length}
  }));
  if (found.empty()) found = TRY(sizes.difference_between(size, /*by_rows=*/true));
  if (!found.empty() || size.length == ids->type.shape[1]) return found;
  // A number of all tokens may differ in longer rows alone.
  const int64_t length = ids->type.shape[1];
  const bool many = size.rows * length * length > kManyScores;
  return sizes.difference(
      {
          many ? 2 : size.rows, length
  },
      {{1, length}});
}

}  // namespace tessera
