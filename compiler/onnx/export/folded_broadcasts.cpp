// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/export/folded_broadcasts.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

#include "compiler/onnx/export/exported_op.h"

namespace tessera {
namespace {

// Elementwise operations of ONNX stretch operands. Those of domain ai.graphcore do not.
bool stretches(const Node& node) {
  const OnnxForm form = exported(node.op).form;
  return info(node.op).elementwise && (form == OnnxForm::Same || form == OnnxForm::Wider);
}

class Folding {
 public:
  explicit Folding(const Graph& graph) {
    for (const auto& node : graph.nodes())
      for (const Node* operand : node->in)
        if (operand->is(Op::Broadcast)) users_[operand].push_back(node.get());
    for (const Output& output : graph.outputs) kept_.insert(output.node);
  }

  // In the graph's order: each sees what those before it have left.
  void fold(const Node* broadcast) {
    if (kept_.contains(broadcast) || !users_.contains(broadcast)) return;
    const std::pair key(broadcast->in[0], broadcast->type.shape);
    if (taken_.contains(key)) return;
    folded_.insert(broadcast);
    const auto remakes = [&](const Node* user) { return stretches(*user) && still_made(*user); };
    if (std::ranges::all_of(users_[broadcast], remakes)) {
      taken_.insert(key);
    } else {
      folded_.erase(broadcast);
    }
  }

  std::set<const Node*> done() { return std::move(folded_); }

 private:
  // Counted from the last, each dimension of the result is that of an operand that is left.
  bool still_made(const Node& user) const {
    const Shape& shape = user.type.shape;
    for (size_t back = 1; back <= shape.size(); ++back) {
      const int64_t wanted = shape[shape.size() - back];
      const auto has = [&](const Node* operand) {
        const Shape& left =
            folded_.contains(operand) ? operand->in[0]->type.shape : operand->type.shape;
        return back <= left.size() && left[left.size() - back] == wanted;
      };
      if (std::ranges::none_of(user.in, has)) return false;
    }
    return true;
  }

  std::unordered_map<const Node*, std::vector<const Node*>> users_;
  std::set<const Node*> kept_, folded_;
  std::set<std::pair<const Node*, Shape>> taken_;
};

}  // namespace

std::set<const Node*> folded_broadcasts(const Graph& graph) {
  Folding folding(graph);
  for (const auto& node : graph.nodes())
    if (node->is(Op::Broadcast)) folding.fold(node.get());
  return folding.done();
}

}  // namespace tessera
