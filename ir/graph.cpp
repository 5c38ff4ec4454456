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

Outputs::Outputs(std::initializer_list<Output> list) {
  for (const Output& output : list) push_back(output);
}

void Outputs::push_back(Output output) {
  of_[output.node].insert(list_.size());
  list_.push_back(std::move(output));
}

void Outputs::set(size_t i, Node* node) {
  const auto old = of_.find(list_[i].node);
  old->second.erase(i);
  if (old->second.empty()) of_.erase(old);
  list_[i].node = node;
  of_[node].insert(i);
}

void Outputs::replace(const Node* from, Node* to) {
  const auto found = of_.find(from);
  if (found == of_.end() || from == to) return;
  std::set<size_t> moved = std::move(found->second);
  of_.erase(found);
  for (const size_t i : moved) list_[i].node = to;
  of_[to].merge(moved);
}

std::string Graph::unique_name(const std::string& wanted) {
  const auto found = names_.find(wanted);
  if (found == names_.end()) return wanted;
  int& suffix = found->second.suffix;
  std::string name;
  do {
    name = wanted + "_" + std::to_string(++suffix);
  } while (names_.contains(name));
  return name;
}

Node* Graph::insert(std::unique_ptr<Node> owned, const Node* before) {
  Node* node = owned.get();
  CHECK(names_.emplace(node->name, Name{node}).second);
  node->place_ = nodes_.insert(before == nullptr ? nodes_.end() : before->place_, std::move(owned));
  if (node->is(Op::Input)) last_input_ = node;
  node->uses_.clear();
  node->replaced_by_ = nullptr;
  node->number_ = ++added_;
  if (uses_known_)
    for (size_t i = 0; i < node->in.size(); ++i) node->in[i]->uses_.push_back({node, i});
  return node;
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

const Node* Graph::first_inside() const {
  const auto first =
      last_input_ == nullptr
          ? nodes_.begin()
          : std::list<std::unique_ptr<Node>>::const_iterator(std::next(last_input_->place_));
  return first == nodes_.end() ? nullptr : first->get();
}

// Inputs stand first, so that one added by a pass is there for every node.
Node* Graph::add_input(std::string name, TensorType type) {
  // The name is the model's contract: whichever other node has it, yields.
  if (const auto taken = names_.find(name);
      taken != names_.end() && !taken->second.node->is(Op::Input)) {
    Node* other = taken->second.node;
    std::string yielded = unique_name(name);
    names_.erase(taken);
    other->name = std::move(yielded);
    names_.emplace(other->name, Name{other});
  }
  auto node = std::make_unique<Node>();
  node->op = Op::Input;
  node->name = unique_name(name);
  node->type = std::move(type);
  inputs.push_back(insert(std::move(node), first_inside()));
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

void Graph::note_uses() {
  if (uses_known_) return;
  for (const auto& node : nodes_)
    for (size_t i = 0; i < node->in.size(); ++i) node->in[i]->uses_.push_back({node.get(), i});
  uses_known_ = true;
}

void Graph::forget_uses() {
  if (!uses_known_) return;
  size_t noted = 0, all = 0;
  for (const auto& node : nodes_) {
    all += node->in.size();
    for (const Node::Use& use : node->uses_)
      noted += use.operand < use.user->in.size() && use.user->in[use.operand] == node.get();
    std::vector<Node::Use>().swap(node->uses_);
  }
  CHECK(noted >= all);
  uses_known_ = false;
}

void Graph::set_operand(Node* node, size_t i, Node* to) {
  if (to->number_ > node->in[i]->number_) node->in[i]->replaced_by_ = to;
  node->in[i] = to;
  if (uses_known_) to->uses_.push_back({node, i});
}

void Graph::replace_uses(Node* from, Node* to) {
  if (from == to) return;
  note_uses();
  const std::vector<Node::Use> uses = std::exchange(from->uses_, {});
  for (const Node::Use& use : uses)
    if (use.user->in[use.operand] == from) set_operand(use.user, use.operand, to);
  outputs.replace(from, to);
  if (to->number_ > from->number_) from->replaced_by_ = to;
}

std::vector<Node*> Graph::users(const Node* node) {
  note_uses();
  std::vector<Node*> users;
  std::unordered_set<const Node*> seen;
  for (const Node::Use& use : node->uses_)
    if (use.user->in[use.operand] == node && seen.insert(use.user).second)
      users.push_back(use.user);
  return users;
}

std::unordered_map<const Node*, int> Graph::use_counts() const {
  std::unordered_map<const Node*, int> counts;
  counts.reserve(nodes_.size());
  for (const auto& node : nodes_) {
    counts.try_emplace(node.get(), 0);
    for (const Node* operand : node->in) ++counts[operand];
  }
  for (const Output& output : outputs) ++counts[output.node];
  return counts;
}

namespace {

bool only_lays_out(const Node* node) {
  return node->is(Op::Reshape) || node->is(Op::Transpose) || node->is(Op::Broadcast) ||
         node->is(Op::Slice);
}

}  // namespace

// A new reshape of a new node is not an heir: the node that computes is. `dead` stand users first.
void Graph::hand_down_origins(std::span<Node* const> dead) {
  const std::unordered_set<const Node*> is_dead(dead.begin(), dead.end());
  // The one node that replaced all dead users of a node; null where two nodes replaced them.
  std::unordered_map<const Node*, Node*> heirs;
  std::unordered_map<Node*, std::vector<std::string>> inherited;  // last to first
  for (Node* node : dead) {
    Node* heir = node->replaced_by_;
    while (heir != nullptr && is_dead.contains(heir)) heir = heir->replaced_by_;
    node->replaced_by_ = heir;  // so that the next in a chain has one step to go
    while (heir != nullptr && only_lays_out(heir) && heir->in[0]->number_ > node->number_)
      heir = heir->in[0];
    if (heir == nullptr)
      if (const auto found = heirs.find(node); found != heirs.end()) heir = found->second;
    for (const Node* operand : node->in) {
      if (!is_dead.contains(operand)) continue;
      const auto [known, is_new] = heirs.try_emplace(operand, heir);
      if (!is_new && known->second != heir) known->second = nullptr;
    }
    if (heir == nullptr || heir->is(Op::Constant) || heir->is(Op::Input)) continue;
    std::vector<std::string>& names = inherited[heir];
    names.insert(names.end(), node->origin.rbegin(), node->origin.rend());
  }
  for (auto& [heir, names] : inherited) {
    names.insert(names.begin(), heir->origin.rbegin(), heir->origin.rend());
    std::unordered_set<std::string_view> seen;
    std::vector<std::string> kept;
    for (const std::string& name : names)
      if (kept.size() < kMaxOrigins && seen.insert(name).second) kept.push_back(name);
    heir->origin.assign(kept.rbegin(), kept.rend());
  }
}

void Graph::remove_dead() {
  forget_uses();
  std::unordered_map<const Node*, int> counts = use_counts();
  std::vector<Node*> dead;
  // From the back, a node's users have gone before it is asked.
  for (auto at = nodes_.rbegin(); at != nodes_.rend(); ++at) {
    Node* node = at->get();
    if (node->is(Op::Input) || counts[node] > 0) continue;
    for (const Node* operand : node->in) --counts[operand];
    dead.push_back(node);
  }
  hand_down_origins(dead);
  for (const Node* node : dead) {
    names_.erase(node->name);
    nodes_.erase(node->place_);
  }
  for (const auto& node : nodes_) node->replaced_by_ = nullptr;
}

// Keeps the order it finds, except that an operand moves to just before its first user.
void Graph::sort() {
  last_input_ = nullptr;
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
      if (place->second != nullptr) {
        current->place_ = nodes_.insert(nodes_.end(), std::move(place->second));
        if (current->is(Op::Input)) last_input_ = current;
      }
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
  for (auto& [key, entry] : copy.names_) entry.suffix = names_.at(key).suffix;
  return copy;
}

}  // namespace tessera
