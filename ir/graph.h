// SPDX-License-Identifier: Apache-2.0
// The Graph: what to compute. Every value has a static shape and dtype, every node one result, and
// a node is its result. Nodes stand in an order in which operands come first.
//
// The Graph owns its nodes and constants share their bytes, so copying a Graph (clone) is cheap.
// Not thread-safe; distinct Graphs are independent.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "ir/op_table.h"
#include "ir/tensor.h"
#include "support/expected.h"
#include "support/type.h"

namespace tessera {

using Attr = std::variant<int64_t, double, std::string, std::vector<int64_t>>;

inline constexpr size_t kMaxOrigins = 512;

struct Node {
  Op op = Op::Input;
  std::string name;  // unique in its graph; printed as %name
  std::vector<Node*> in;
  TensorType type;
  std::map<std::string, Attr> attrs;
  Tensor value;  // of a constant
  // Names of the ONNX nodes that it came from, each once. It took the place of the last one, and
  // the others went with that. At most kMaxOrigins.
  std::vector<std::string> origin;

  int64_t int_attr(const std::string& key) const;
  double float_attr(const std::string& key) const;
  const std::string& string_attr(const std::string& key) const;
  const std::vector<int64_t>& ints(const std::string& key) const;
  bool is(Op other) const { return op == other; }

 private:
  friend class Graph;
  struct Use {
    Node* user;
    size_t operand;
  };
  // The nodes that use it, kept by the Graph; an entry counts while that operand is still this
  // node.
  std::vector<Use> uses_;
  std::list<std::unique_ptr<Node>>::iterator place_;  // in the graph that owns it
  Node* replaced_by_ = nullptr;  // until remove_dead: the later node that took its uses, or one
  int64_t number_ = 0;           // counts the nodes that its graph has added
};

struct Output {
  std::string name;  // the anchor's name, as the model gives it
  Node* node = nullptr;
};

// The outputs in the model's order, read as a vector. They change here alone, so that a node knows
// at once whether it is one.
class Outputs {
 public:
  Outputs() = default;
  Outputs(std::initializer_list<Output> list);
  auto begin() const { return list_.begin(); }
  auto end() const { return list_.end(); }
  size_t size() const { return list_.size(); }
  bool empty() const { return list_.empty(); }
  const Output& operator[](size_t i) const { return list_[i]; }

  void push_back(Output output);
  void set(size_t i, Node* node);
  void replace(const Node* from, Node* to);
  bool hold(const Node* node) const { return of_.contains(node); }

 private:
  std::vector<Output> list_;
  std::unordered_map<const Node*, std::set<size_t>> of_;  // the outputs that a node is
};

class Graph {
 public:
  Graph() = default;
  explicit Graph(std::string name) : name(std::move(name)) {}
  Graph(Graph&&) = default;
  Graph& operator=(Graph&&) = default;

  std::string name = "main";
  std::vector<Node*> inputs;  // Op::Input nodes, in the model's order; a node's name is the input's
  Outputs outputs;

  // All nodes, operands before users.
  const std::list<std::unique_ptr<Node>>& nodes() const { return nodes_; }

  // Adds at the end, or just before `before`. The name is made unique by a suffix; an empty name
  // becomes the op's text. infer() is called: an operand mistake comes back as its error.
  Expected<Node*> add(Op op, std::string name, std::vector<Node*> in,
                      std::map<std::string, Attr> attrs = {}, const Node* before = nullptr);
  Node* add_input(std::string name, TensorType type);
  Node* add_constant(std::string name, Tensor value, const Node* before = nullptr);

  // Every use of `from`, as operand or output, becomes one of `to`. `to` must stand before the
  // users. `from` stays, for the runner to remove as dead. The first call of a pass is linear in
  // the graph, every other in the uses of `from`.
  void replace_uses(Node* from, Node* to);
  // One operand. Passes write operands through these two, so that the graph knows the users.
  void set_operand(Node* node, size_t i, Node* to);
  // The nodes that use it as an operand, each once; as cheap as replace_uses.
  std::vector<Node*> users(const Node* node);
  // Operand uses plus output uses of every node.
  std::unordered_map<const Node*, int> use_counts() const;
  bool is_output(const Node* node) const { return outputs.hold(node); }
  // The first node that is not an input; null where all are.
  const Node* first_inside() const;
  // Inputs stay even when nothing uses them: they are the model's contract. The origin of a dead
  // node goes to the node that was added in its place, and so does the origin of what only dead
  // nodes with that successor used: a fused operation names all that it stands for.
  void remove_dead();
  // Puts nodes back in operand-first order after a pass that wired a later node into an earlier.
  void sort();
  Graph clone() const;

 private:
  std::string unique_name(const std::string& wanted);
  Node* insert(std::unique_ptr<Node> node, const Node* before);
  void note_uses();    // of all nodes, where they are not known
  void forget_uses();  // and checks that no operand was written past them
  void hand_down_origins(std::span<Node* const> dead);

  struct Name {
    Node* node;
    int suffix = 0;  // the last that was given to another node of this name
  };
  std::list<std::unique_ptr<Node>> nodes_;
  std::unordered_map<std::string_view, Name> names_;  // keys are the nodes' own
  Node* last_input_ = nullptr;                        // inputs stand first
  int64_t added_ = 0;
  bool uses_known_ = false;
};

}  // namespace tessera
