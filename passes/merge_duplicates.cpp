// SPDX-License-Identifier: Apache-2.0
// Two nodes that do the same to the same operands are one, and so are two equal constants.
//
// Exporters store tied tables twice and compute a layer's mask again in every layer. It also lets
// the patterns that follow compare by pointer: two means of one value are the same node.
#include <algorithm>
#include <bit>
#include <functional>
#include <span>
#include <string_view>
#include <unordered_set>

#include "passes/passes.h"

namespace tessera {
namespace {

// The key of a large constant holds its end, where the tables of one model differ.
constexpr size_t kCompared = 1024;

std::string_view end_of(const Tensor& tensor) {
  const std::span bytes = tensor.bytes();
  const std::span some = bytes.last(std::min(bytes.size(), kCompared));
  return {reinterpret_cast<const char*>(some.data()), some.size()};
}

struct AttrHash {
  size_t operator()(int64_t value) const { return std::hash<int64_t>()(value); }
  size_t operator()(double value) const { return std::hash<uint64_t>()(bits(value)); }
  size_t operator()(const std::string& value) const { return std::hash<std::string>()(value); }
  size_t operator()(const std::vector<int64_t>& values) const {
    size_t hash = values.size();
    for (const int64_t value : values) hash = hash * 31 + static_cast<size_t>(value);
    return hash;
  }
  static uint64_t bits(double value) { return std::bit_cast<uint64_t>(value); }
};

struct KeyHash {
  size_t operator()(const Node* node) const {
    size_t hash = static_cast<size_t>(node->op);
    const auto mix = [&hash](size_t more) { hash = (hash ^ more) * 0x9e3779b97f4a7c15; };
    for (const Node* in : node->in) mix(reinterpret_cast<size_t>(in));
    for (const auto& [name, value] : node->attrs) mix(std::visit(AttrHash{}, value));
    for (const int64_t size : node->type.shape) mix(static_cast<size_t>(size));
    if (node->is(Op::Constant)) mix(std::hash<std::string_view>()(end_of(node->value)));
    return hash;
  }
};

bool same_attr(const Attr& a, const Attr& b) {
  const auto *x = std::get_if<double>(&a), *y = std::get_if<double>(&b);
  return x && y ? AttrHash::bits(*x) == AttrHash::bits(*y) : a == b;
}

// Do they mean the same? Constants that are equal here are still compared.
struct SameKey {
  bool operator()(const Node* a, const Node* b) const {
    return a->op == b->op && a->type == b->type && a->in == b->in &&
           std::ranges::equal(a->attrs, b->attrs,
                              [](const auto& x, const auto& y) {
                                return x.first == y.first && same_attr(x.second, y.second);
                              }) &&
           (!a->is(Op::Constant) || end_of(a->value) == end_of(b->value));
  }
};

}  // namespace

Expected<bool> merge_duplicates(Graph& graph, PassState&) {
  bool changed = false;
  std::unordered_set<Node*, KeyHash, SameKey> firsts;
  firsts.reserve(graph.nodes().size());
  for (const auto& owned : graph.nodes()) {
    Node* node = owned.get();
    if (node->is(Op::Input) || (node->is(Op::Constant) && !node->value.has_data())) continue;
    const auto [found, is_new] = firsts.insert(node);
    if (is_new) continue;
    Node* first = *found;
    if (node->is(Op::Constant) && !(node->value == first->value)) continue;
    graph.replace_uses(node, first);
    changed = true;
  }
  return changed;
}

}  // namespace tessera
