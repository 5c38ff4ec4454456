// SPDX-License-Identifier: Apache-2.0
#include "ir/graph.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "support/check.h"

namespace tessera {
namespace {

template <class T>
const T& attr(const Node& node, const std::string& key) {
  const auto found = node.attrs.find(key);
  CHECK(found != node.attrs.end() && std::holds_alternative<T>(found->second));
  return std::get<T>(found->second);
}

}  // namespace

int64_t Node::int_attr(const std::string& key) const { return attr<int64_t>(*this, key); }
double Node::float_attr(const std::string& key) const { return attr<double>(*this, key); }
const std::string& Node::string_attr(const std::string& key) const {
  return attr<std::string>(*this, key);
}
const std::vector<int64_t>& Node::ints(const std::string& key) const {
  return attr<std::vector<int64_t>>(*this, key);
}

std::string Graph::unique_name(const std::string& wanted) {
  const auto found = names_.find(wanted);
  if (found == names_.end()) return wanted;
  int& suffix = found->second;
  std::string name;
  do {
    name = wanted + "_" + std::to_string(++suffix);
  } while (names_.contains(name));
  return name;
}

Node* Graph::insert(std::unique_ptr<Node> node, const Node* before) {
  const auto at = before == nullptr
                      ? nodes_.end()
                      : std::ranges::find(nodes_, before, &std::unique_ptr<Node>::get);
  CHECK(before == nullptr || at != nodes_.end());
  CHECK(names_.emplace(node->name, 0).second);
  return nodes_.insert(at, std::move(node))->get();
}

Expected<Node*> Graph::add(Op op, std::string name, std::vector<Node*> in,
                           std::map<std::string, Attr> attrs, const Node* before) {
  CHECK(op != Op::Input && op != Op::Constant);
  auto node = std::make_unique<Node>();
  node->op = op;
  node->name = unique_name(name.empty() ? std::string(info(op).text) : name);
  node->in = std::move(in);
  node->attrs = std::move(attrs);
  node->type = TRY(infer(*node));
  return insert(std::move(node), before);
}

// Inputs stand first, so that one added by a pass is there for every node.
Node* Graph::add_input(std::string name, TensorType type) {
  // The name is the model's contract: whichever other node has it, yields.
  for (const auto& other : nodes_) {
    if (other->name != name || other->is(Op::Input)) continue;
    other->name = unique_name(name);
    names_.emplace(other->name, 0);
    names_.erase(name);
    break;
  }
  auto node = std::make_unique<Node>();
  node->op = Op::Input;
  node->name = unique_name(name);
  node->type = std::move(type);
  const auto first = std::ranges::find_if(nodes_, [](const auto& n) { return !n->is(Op::Input); });
  inputs.push_back(insert(std::move(node), first == nodes_.end() ? nullptr : first->get()));
  return inputs.back();
}

Node* Graph::add_constant(std::string name, Tensor value, const Node* before) {
  auto node = std::make_unique<Node>();
  node->op = Op::Constant;
  node->name = unique_name(name.empty() ? "constant" : name);
  node->type = value.type();
  node->value = std::move(value);
  return insert(std::move(node), before);
}

void Graph::replace_uses(Node* from, Node* to) {
  for (const auto& node : nodes_) std::ranges::replace(node->in, from, to);
  for (Output& output : outputs)
    if (output.node == from) output.node = to;
}

std::vector<Node*> Graph::users(const Node* node) const {
  std::vector<Node*> users;
  for (const auto& other : nodes_)
    if (std::ranges::find(other->in, node) != other->in.end()) users.push_back(other.get());
  return users;
}

std::unordered_map<const Node*, int> Graph::use_counts() const {
  std::unordered_map<const Node*, int> counts;
  for (const auto& node : nodes_) {
    counts.try_emplace(node.get(), 0);
    for (const Node* operand : node->in) ++counts[operand];
  }
  for (const Output& output : outputs) ++counts[output.node];
  return counts;
}

bool Graph::is_output(const Node* node) const {
  return std::ranges::find(outputs, node, &Output::node) != outputs.end();
}

void Graph::remove_dead() {
  std::unordered_map<const Node*, int> counts = use_counts();
  // From the back, a node's users have gone before it is asked.
  for (auto at = nodes_.end(); at != nodes_.begin();) {
    --at;
    const Node& node = **at;
    if (node.is(Op::Input) || counts[&node] > 0) continue;
    for (const Node* operand : node.in) --counts[operand];
    names_.erase(node.name);
    at = nodes_.erase(at);
  }
}

// Keeps the order it finds, except that an operand moves to just before its first user.
void Graph::sort() {
  std::unordered_map<const Node*, std::unique_ptr<Node>> waiting;
  std::vector<Node*> order;
  for (auto& node : nodes_) {
    order.push_back(node.get());
    waiting.emplace(order.back(), std::move(node));
  }
  nodes_.clear();
  std::vector<std::pair<Node*, size_t>> path;  // a node and the next of its operands to see to
  std::unordered_set<const Node*> on_path;
  for (Node* root : order) {
    path.emplace_back(root, 0);
    while (!path.empty()) {
      auto& [node, next] = path.back();
      Node* const current = node;
      const auto place = waiting.find(current);
      if (place->second != nullptr && next < current->in.size()) {
        on_path.insert(current);
        Node* operand = current->in[next++];
        CHECK(waiting.contains(operand) && !on_path.contains(operand));
        if (waiting[operand] != nullptr) path.emplace_back(operand, 0);
        continue;
      }
      if (place->second != nullptr) nodes_.push_back(std::move(place->second));
      on_path.erase(current);
      path.pop_back();
    }
  }
}

Graph Graph::clone() const {
  Graph copy(name);
  std::unordered_map<const Node*, Node*> twin;
  for (const auto& node : nodes_) {
    auto made = std::make_unique<Node>(*node);
    for (Node*& operand : made->in) operand = twin.at(operand);
    twin[node.get()] = copy.insert(std::move(made), nullptr);
  }
  for (const Node* input : inputs) copy.inputs.push_back(twin.at(input));
  for (const Output& output : outputs) copy.outputs.push_back({output.name, twin.at(output.node)});
  copy.names_ = names_;
  return copy;
}

}  // namespace tessera
