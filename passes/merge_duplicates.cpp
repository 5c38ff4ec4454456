// SPDX-License-Identifier: Apache-2.0
// Two nodes that do the same to the same operands are one, and so are two equal constants.
//
// Exporters store tied tables twice and compute a layer's mask again in every layer. It also lets
// the patterns that follow compare by pointer: two means of one value are the same node.
#include <algorithm>
#include <bit>
#include <span>
#include <unordered_map>

#include "passes/passes.h"

namespace tessera {
namespace {

using Numbers = std::unordered_map<const Node*, size_t>;

struct AttrText {
  std::string operator()(int64_t value) const { return std::to_string(value); }
  std::string operator()(double value) const {
    return std::to_string(std::bit_cast<uint64_t>(value));
  }
  std::string operator()(const std::string& value) const { return value; }
  std::string operator()(const std::vector<int64_t>& value) const { return to_string(value); }
};

// Of a large constant the key holds the end, where tables of one model differ.
constexpr size_t kCompared = 1024;

// Equal for nodes that mean the same; constants with equal keys are still compared.
std::string key_of(const Node& node, const Numbers& numbers) {
  std::string key = std::string(info(node.op).text) + to_string(node.type);
  for (const Node* in : node.in) key += " " + std::to_string(numbers.at(in));
  for (const auto& [name, value] : node.attrs)
    key += " " + name + "=" + std::visit(AttrText{}, value);
  if (node.is(Op::Constant)) {
    const std::span bytes = node.value.bytes();
    const std::span some = bytes.last(std::min(bytes.size(), kCompared));
    key += " " + std::string(reinterpret_cast<const char*>(some.data()), some.size());
  }
  return key;
}

}  // namespace

Expected<bool> merge_duplicates(Graph& graph, PassState&) {
  bool changed = false;
  Numbers numbers;
  std::unordered_map<std::string, Node*> first_of;
  for (const auto& owned : graph.nodes()) {
    Node* node = owned.get();
    numbers.emplace(node, numbers.size());
    if (node->is(Op::Input) || (node->is(Op::Constant) && !node->value.has_data())) continue;
    const auto [found, is_new] = first_of.emplace(key_of(*node, numbers), node);
    if (is_new) continue;
    Node* first = found->second;
    if (node->is(Op::Constant) && !(node->value == first->value)) continue;
    graph.replace_uses(node, first);
    changed = true;
  }
  return changed;
}

}  // namespace tessera
