// SPDX-License-Identifier: Apache-2.0
#include "compiler/lower/fuse.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "support/check.h"

namespace tessera {

const Node* through_broadcast(const Node* node) {
  while (node->is(Op::Broadcast)) node = node->in[0];
  return node;
}

std::optional<double> splat_value(const Node* node) {
  node = through_broadcast(node);
  if (!node->is(Op::Constant) || !node->value.is_uniform()) return std::nullopt;
  const double value = node->value.first();
  if (!std::isfinite(value)) return std::nullopt;
  return value;
}

namespace {

bool is_elementwise(const Node* node) { return info(node->op).elementwise; }

// Whether a register of a tape holds what this node means, and in which arithmetic.
Domain domain_of(const Node* node) {
  const auto of = [](DType dtype) {
    if (is_float(dtype) || is_fp8(dtype)) return Domain::Float;
    return dtype == DType::I32 || is_byte(dtype) ? Domain::Integer : Domain::Any;
  };
  if (node->is(Op::Dequantize)) return Domain::Float;
  if (node->is(Op::Select)) return of(node->type.dtype);
  const Domain in = of(node->in[0]->type.dtype);
  if (node->is(Op::Cast) && is_float(node->type.dtype)) return Domain::Float;
  return in;
}

// The most rows that the node takes of a tape (compiler/lower/tape.cpp).
int rows_of(const Node* node) {
  if (node->is(Op::Quantize)) return 5;
  if (node->is(Op::Cast) && is_byte(node->type.dtype)) return 3;
  if (node->is(Op::ScaledCast)) return 2;
  return node->is(Op::Dequantize) ? 2 : 1;
}

class Fuser {
 public:
  explicit Fuser(const Graph& graph) : graph_(graph), uses_(graph.use_counts()) {
    int position = 0;
    for (const auto& node : graph.nodes()) {
      position_[node.get()] = position++;
      for (const Node* operand : node->in) {
        std::vector<const Node*>& users = users_[operand];
        if (users.empty() || users.back() != node.get()) users.push_back(node.get());
      }
    }
  }

  Fusion run() {
    for (const auto& node : graph_.nodes()) {
      if (node->is(Op::LayerNorm) || node->is(Op::RmsNorm)) take_residual(node.get());
    }
    for (const auto& node : graph_.nodes()) {
      if (node->is(Op::MatMul) || node->is(Op::MatMulFp8)) follow_matmul(node.get());
      if (node->is(Op::MatMulInteger)) follow_integers(node.get());
    }
    for (auto node = graph_.nodes().rbegin(); node != graph_.nodes().rend(); ++node) {
      if (is_elementwise(node->get()) && !taken_.contains(node->get())) gather_tape(node->get());
    }
    return std::move(fusion_);
  }

 private:
  // The user of a value that is used once, and not by the world outside.
  const Node* only_user(const Node* node) const {
    const auto users = users_.find(node);
    if (uses_.at(node) != 1 || users == users_.end()) return nullptr;
    return users->second[0];
  }

  void take_residual(const Node* norm) {
    const Node* add = norm->in[0];
    if (!add->is(Op::Add) || only_user(add) != norm) return;
    if (add->in[0]->is(Op::Broadcast) || add->in[1]->is(Op::Broadcast)) return;
    fusion_.residual_adds[norm] = add;
    fusion_.absorbed.insert(add);
    taken_.insert(add);
  }

  void follow_matmul(const Node* matmul) {
    MatmulChain chain{.matmul = matmul, .last = matmul, .nodes = {matmul}};
    std::vector<const Node*> path{matmul};
    size_t taken = 1;  // of the path; what follows are reshapes that led nowhere
    while (const Node* user = only_user(path.back())) {
      if (taken_.contains(user)) break;
      const bool reshape = user->is(Op::Reshape) && !user->type.shape.empty() &&
                           user->type.shape.back() == matmul->type.shape.back();
      if (!reshape && !take_along(chain, user, path.back())) break;
      path.push_back(user);
      if (reshape) continue;
      taken = path.size();
      chain.last = user;
      chain.nodes.push_back(user);
      taken_.insert(user);
      if (chain.residual != nullptr) break;
    }
    fusion_.absorbed.insert(path.begin(), path.begin() + static_cast<ptrdiff_t>(taken - 1));
    fusion_.matmuls[chain.last] = chain;
  }

  void follow_integers(const Node* matmul) {
    IntegerChain chain;
    chain.matmul = chain.last = matmul;
    chain.row_zero = zero_point(matmul->in[2]);
    chain.column_zero = zero_point(matmul->in[3]);
    std::vector<const Node*> path{matmul}, factors;
    size_t taken = 1;
    const Node* cast = nullptr;
    while (const Node* user = only_user(path.back())) {
      if (taken_.contains(user)) break;
      const bool reshape = user->is(Op::Reshape) && !user->type.shape.empty() &&
                           user->type.shape.back() == matmul->type.shape.back();
      const bool is_first = !cast && user->is(Op::Cast) && user->type.dtype == DType::F32;
      if (!reshape && !is_first && !(cast && take_into(chain, user, path.back(), factors))) break;
      path.push_back(user);
      if (is_first) cast = user;
      if (reshape || is_first) continue;
      taken = path.size();
      chain.last = user;
      if (user->is(Op::Quantize)) break;
    }
    path.resize(taken);
    path.insert(path.end(), factors.begin(), factors.end());
    for (const Node* node : path) {
      taken_.insert(node);
      if (node != chain.last) fusion_.absorbed.insert(node);
      if (!node->is(Op::Reshape)) chain.nodes.push_back(node);
    }
    fusion_.integer_matmuls[chain.last] = chain;
  }

  // The scale comes first, an addition of what is as large as the result last but for quantizing.
  bool take_into(IntegerChain& chain, const Node* user, const Node* at,
                 std::vector<const Node*>& factors) {
    if (!chain.scaled) {
      if (!user->is(Op::Mul) || user->in[0] == user->in[1]) return false;
      chain.scaled = take_scale(chain, user->in[user->in[0] == at ? 1 : 0], factors);
      return chain.scaled;
    }
    if (user->is(Op::Quantize)) return user->in[0] == at && take_quantize(chain, user);
    if (user->is(Op::Cast)) return is_float(user->type.dtype);
    return chain.residual == nullptr && take_along(chain, user, at);
  }

  static bool take_quantize(IntegerChain& chain, const Node* quantize) {
    const std::optional<double> scale = splat_value(quantize->in[1]);
    const std::optional<double> zero = splat_value(quantize->in[2]);
    if (!scale || !zero || !(*scale > 0)) return false;
    chain.out_scale = *scale;
    chain.out_zero = *zero;
    return true;
  }

  static const Node* zero_point(const Node* node) {
    return splat_value(node) == 0.0 ? nullptr : node;
  }

  bool take_scale(IntegerChain& chain, const Node* scale, std::vector<const Node*>& factors) {
    if (take_factor(chain, scale)) return true;
    if (!scale->is(Op::Mul) || uses_.at(scale) != 1) return false;
    if (take_factor(chain, scale->in[0]) && take_factor(chain, scale->in[1])) {
      factors.push_back(scale);
      return true;
    }
    chain.row_scale = chain.column_scale = nullptr;
    return false;
  }

  // One number for each row, for each column, or for all.
  static bool take_factor(IntegerChain& chain, const Node* scale) {
    const Shape& shape = scale->type.shape;
    const Node* source = through_broadcast(scale);
    const bool is_one = elements(source->type.shape) == 1;
    if (!chain.column_scale && !is_one && is_row_vector(scale)) {
      chain.column_scale = source;
      return true;
    }
    const bool is_by_row = source->type.shape.size() == shape.size() &&
                           source->type.shape.back() == 1 &&
                           elements(source->type.shape) * shape.back() == elements(shape);
    if (!chain.row_scale && (is_one || is_by_row)) {
      chain.row_scale = source;
      return true;
    }
    if (!is_one || chain.column_scale) return false;
    chain.column_scale = source;
    return true;
  }

  bool take_along(MatmulChain& chain, const Node* user, const Node* at) {
    if (!user->is(Op::Add)) {
      if (chain.activation != 0) return false;
      chain.activation = activation_of(user, at);
      return chain.activation != 0;
    }
    const Node* other = user->in[0] == at ? user->in[1] : user->in[0];
    if (is_row_vector(other) && chain.bias == nullptr && chain.activation == 0) {
      chain.bias = through_broadcast(other);
      return true;
    }
    if (other->is(Op::Broadcast)) return false;
    chain.residual = other;
    return true;
  }

  // One value per column, the same in every row.
  static bool is_row_vector(const Node* node) {
    const Node* source = through_broadcast(node);
    const Shape& from = source->type.shape;
    if (from.empty() || from.back() != node->type.shape.back()) return false;
    return elements(from) == from.back();
  }

  static int activation_of(const Node* node, const Node* at) {
    if (node->is(Op::Gelu)) return node->string_attr("form") == "erf" ? 2 : 3;
    if (node->is(Op::Tanh)) return 4;
    if (node->is(Op::Max)) {
      const std::optional<double> floor = splat_value(node->in[node->in[0] == at ? 1 : 0]);
      if (floor && *floor == 0) return 1;
    }
    return 0;
  }

  void gather_tape(const Node* root) {
    TapeGroup group{.nodes = {root}, .domain = domain_of(root), .leaves = {}};
    std::unordered_set<const Node*> members{root};
    std::map<int, const Node*, std::greater<>> candidates;  // latest first: users are settled
    const auto consider = [&](const Node* node) {
      for (const Node* operand : node->in) candidates[position_.at(operand)] = operand;
    };
    consider(root);
    int rows = rows_of(root);
    while (!candidates.empty()) {
      const Node* node = candidates.begin()->second;
      candidates.erase(candidates.begin());
      if (!may_join(node, members, group.domain)) continue;
      members.insert(node);
      if (leaves_of(members, group.nodes, node).size() > kMaxTapeInputs ||
          rows + rows_of(node) >= kMaxTapeRows) {
        members.erase(node);
        continue;
      }
      if (group.domain == Domain::Any) group.domain = domain_of(node);
      rows += rows_of(node);
      group.nodes.push_back(node);
      consider(node);
    }
    for (const Node* node : group.nodes) taken_.insert(node);
    fusion_.absorbed.insert(group.nodes.begin() + 1, group.nodes.end());
    group.leaves = leaves_of(members, group.nodes, nullptr);
    std::ranges::reverse(group.nodes);
    fusion_.tapes[root] = std::move(group);
  }

  bool may_join(const Node* node, const std::unordered_set<const Node*>& members,
                Domain domain) const {
    if (!is_elementwise(node) || taken_.contains(node)) return false;
    const std::vector<const Node*>& users = users_.at(node);
    int inside = 0;
    for (const Node* user : users) {
      if (!members.contains(user)) return false;
      inside += static_cast<int>(std::ranges::count(user->in, node));
    }
    if (inside != uses_.at(node)) return false;  // an output too
    const Domain own = domain_of(node);
    return own == Domain::Any || domain == Domain::Any || own == domain;
  }

  // Operands from outside, in the order of their use; `extra` counts as a member.
  std::vector<const Node*> leaves_of(const std::unordered_set<const Node*>& members,
                                     const std::vector<const Node*>& nodes,
                                     const Node* extra) const {
    std::vector<const Node*> leaves;
    const auto add_from = [&](const Node* node) {
      for (const Node* operand : node->in) {
        if (members.contains(operand) || splat_value(operand)) continue;
        if (std::ranges::find(leaves, operand) == leaves.end()) leaves.push_back(operand);
      }
    };
    for (const Node* node : nodes) add_from(node);
    if (extra != nullptr) add_from(extra);
    return leaves;
  }

  const Graph& graph_;
  std::unordered_map<const Node*, int> uses_;
  std::unordered_map<const Node*, int> position_;
  std::unordered_map<const Node*, std::vector<const Node*>> users_;
  std::unordered_set<const Node*> taken_;
  Fusion fusion_;
};

}  // namespace

Fusion fuse(const Graph& graph) { return Fuser(graph).run(); }

}  // namespace tessera
