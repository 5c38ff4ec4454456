// SPDX-License-Identifier: Apache-2.0
#include "compiler/known_numbers.h"

#include <algorithm>
#include <cmath>
#include <ranges>

#include "passes/floats.h"
#include "passes/own_numbers.h"

namespace tessera {

bool is_known(const Node* node) {
  if (node->is(Op::Broadcast)) node = node->in[0];
  return node->is(Op::Constant);
}

Known::Known(const Node* node)
    : shape(node->type.shape),
      constant((node->is(Op::Broadcast) ? node->in[0] : node)->value),
      strides(shape.size(), 0) {
  if (constant.is_uniform()) return;
  const Shape &from = constant.type().shape, own = row_major_strides(from);
  const size_t added = shape.size() - from.size();
  for (size_t d = 0; d < from.size(); ++d) strides[added + d] = from[d] == 1 ? 0 : own[d];
}

namespace {

// Calls `each` with the numbers of both, in the order of their places, as far as both go, and once
// for an axis along which neither changes. Stops where it returns false, and returns that. Both
// have the same number of axes.
template <class Each>
bool all_of_both(const Known& a, const Known& b, const Each& each) {
  Shape both = a.shape;
  for (size_t d = 0; d < both.size(); ++d) {
    both[d] = std::min(a.shape[d], b.shape[d]);
    if (a.strides[d] == 0 && b.strides[d] == 0) both[d] = std::min<int64_t>(both[d], 1);
  }
  const Shape of_both = row_major_strides(both);
  for (int64_t i = 0; i < elements(both); ++i) {
    int64_t at_a = 0, at_b = 0;
    for (size_t d = 0; d < both.size(); ++d) {
      const int64_t place = i / of_both[d] % both[d];
      at_a += place * a.strides[d];
      at_b += place * b.strides[d];
    }
    if (!each(i % both.back(), element(a.constant, at_a), element(b.constant, at_b))) return false;
  }
  return true;
}

bool are_comparable(const Known& a, const Known& b) {
  return a.shape.size() == b.shape.size() && a.constant.type().dtype == b.constant.type().dtype;
}

}  // namespace

bool begin_alike(const Known& a, const Known& b) {
  const Tensor &one = a.constant, &other = b.constant;
  const bool is_one = one.bytes().data() == other.bytes().data();  // a weight of the file
  if (one.type() == other.type() && a.shape == b.shape) return is_one || one == other;
  return are_comparable(a, b) && all_of_both(a, b, [](int64_t, double x, double y) {
           return x == y || (x != x && y != y);
         });
}

bool look_up_alike(const Node& gather, const Node& other) {
  const auto own = own_numbers(gather), others = own_numbers(other);
  if (!own || !others || own->axis != others->axis) return false;
  const Known a(gather.in[1]), b(other.in[1]);
  if (a.shape.size() != b.shape.size()) return false;
  const auto without_token = [](const Tensor& index, int64_t numbers) {
    Array array = to_array(index);
    for (double& at : array.data) at = std::fmod(at, static_cast<double>(numbers));
    return to_tensor(array);
  };
  Node one = *gather.in[1], two = *other.in[1];
  one.value = without_token(one.value, own->numbers);
  two.value = without_token(two.value, others->numbers);
  return begin_alike(Known(&one), Known(&two));
}

bool differ_by_query(const Known& a, const Known& b) {
  if (!are_comparable(a, b) || a.shape.empty() || !is_float(a.constant.type().dtype)) return false;
  const double step = step_of(a.constant.type().dtype);
  double first = 0, largest = 0;
  return all_of_both(a, b, [&](int64_t key, double x, double y) {
    if (key == 0) first = x - y, largest = 0;
    largest = std::max({largest, std::abs(x), std::abs(y)});
    return std::abs(x - y - first) <= 2 * step * largest;
  });
}

std::unordered_set<const Node*> scores_of_softmax(const Graph& graph, const UserMap& users) {
  std::unordered_set<const Node*> scores;
  for (const auto& node : std::views::reverse(graph.nodes())) {
    const auto found = users.find(node.get());
    if (found == users.end() || graph.is_output(node.get())) continue;
    const bool only_weighs = std::ranges::all_of(found->second, [&](const Node* user) {
      if (user->is(Op::Softmax)) return user->int_attr("axis") == std::ssize(user->type.shape) - 1;
      const bool passes_on = user->is(Op::Add) || user->is(Op::Cast) ||
                             (user->is(Op::Select) && user->in[0] != node.get());
      return passes_on && scores.contains(user);
    });
    if (only_weighs) scores.insert(node.get());
  }
  return scores;
}

}  // namespace tessera
