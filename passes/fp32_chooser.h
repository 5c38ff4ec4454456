// SPDX-License-Identifier: Apache-2.0
// How fp32_nodes.h finds the nodes: two walks over a graph, and what they know. Used by
// passes/fp32_*.cpp alone.
#pragma once

#include <algorithm>

#include "passes/fp32_nodes.h"
#include "passes/fp32_ops.h"
#include "passes/match.h"
#include "passes/typical_size.h"

namespace tessera {

class Fp32Chooser {
 public:
  Fp32Chooser(const Graph& graph, const PassOptions& options);
  Fp32Choice run();

 private:
  const ValueRange& range(const Node* node) const { return ranges_.at(node); }
  bool kept(const Node* node) const { return why_.contains(node); }
  static bool is_constant(Node* node) { return behind_views(node)->is(Op::Constant); }
  void keep(const Node* node, Fp32Rule rule, const std::string& why);

  // fp32_forward.cpp, along the nodes: what f16 does not hold, and what computes with it.
  void look_at(const Node* node);
  void keep_sum(const Node* node);
  bool loses(const Node* node, size_t operand) const;
  void keep_beside_constants(const Node* node);
  bool adds_to_scores(const Node* node, size_t operand) const;
  void keep_biases(const Node* node);
  void keep_readers(const Node* node);
  void keep_products(const Node* node);
  const char* why_it_differs(const Node* node) const;
  void keep_differences(const Node* node);
  void keep_result(const Node* node);
  bool is_small(const Node* node) const;
  void keep_small(const Node* node);
  void keep_asked(const Node* node);

  // fp32_back.cpp, back along the operands: what users ask for.
  void look_back_from(const Node* node);
  void ask_for_indices(const Node* node);
  bool compares_given(const Node* node) const;
  void ask_for_divisors(const Node* node);
  void ask_for_divisor(const Node* node, const Node* in);
  void ask_for_angles(const Node* node);
  void ask_for_parts(const Node* node);
  void ask_for_terms(const Node* node);
  void keep_if_read_in_f32(const Node* node);

  // fp32_nodes.cpp: what cannot be kept, and all that is.
  void note_f16_input(const Node* in);
  void check_outputs();
  void check_names();
  Fp32Choice collect();

  struct Reason {
    Fp32Rule rule;
    std::string why;
    Reason(Fp32Rule rule, std::string why) : rule(rule), why(std::move(why)) {}
  };

  const Graph& graph_;
  const PassOptions& options_;
  const ValueRanges ranges_;
  const TypicalSizes sizes_;
  const UserMap users_;
  std::unordered_map<const Node*, std::string> outputs_;  // those that options.fp32_nodes names
  std::unordered_map<const Node*, Reason> why_;
  std::unordered_map<const Node*, double> roundings_;  // of constants that are biases
  std::unordered_set<const Node*> statistics_;         // kept, and made of sums and numbers alone
  std::unordered_set<const Node*> differs_;   // kept: a difference or an offset, or made of one
  std::unordered_set<const Node*> cancels_;   // its terms are asked for
  std::unordered_set<const Node*> to_index_;  // an index, or what is compared, is made of it
  std::unordered_set<const Node*> divides_;   // a divisor is made of its operands
  std::unordered_set<const Node*> turns_;     // an angle is made of its operands
  std::set<std::string> found_;               // of options.fp32_nodes
  std::unordered_set<const Node*> warned_;
  std::vector<std::string> warnings_;
};

}  // namespace tessera
