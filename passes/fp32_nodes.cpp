// SPDX-License-Identifier: Apache-2.0
#include "passes/fp32_nodes.h"

#include <fmt/format.h>

#include <algorithm>

#include "passes/fp32_ops.h"
#include "passes/match.h"
#include "passes/matmul_range.h"
#include "support/half.h"
#include "support/nearest.h"

namespace tessera {
namespace {

bool is_constant(Node* node) { return behind_views(node)->is(Op::Constant); }

class Chooser {
 public:
  Chooser(const Graph& graph, const PassOptions& options)
      : graph_(graph), options_(options), ranges_(find_ranges(graph)), users_(users_of(graph)) {
    for (const Output& output : graph.outputs)
      if (options.fp32_nodes.contains(output.name)) outputs_.emplace(output.node, output.name);
  }

  Fp32Choice run() {
    for (const auto& node : graph_.nodes()) look_at(node.get());
    for (auto node = graph_.nodes().rbegin(); node != graph_.nodes().rend(); ++node)
      look_back_from(node->get());
    check_outputs();
    check_names();
    return collect();
  }

 private:
  const ValueRange& range(const Node* node) const { return ranges_.at(node); }
  bool kept(const Node* node) const { return why_.contains(node); }

  void keep(const Node* node, Fp32Rule rule, const std::string& why) {
    if (node->in.empty() || !(in_f32(node) || reads_f32(node))) return;
    why_.try_emplace(node, rule, why);
  }

  // --- Along the nodes: what f16 does not hold, and what computes with it. ---

  void look_at(const Node* node) {
    if (node->in.empty() || !(in_f32(node) || reads_f32(node))) return;
    keep_sum(node);
    keep_beside_constants(node);
    keep_readers(node);
    keep_result(node);
    keep_products(node);
    keep_differences(node);
    keep_asked(node);
  }

  void keep_asked(const Node* node) {
    const auto named = [&](const std::string& name) {
      if (!options_.fp32_nodes.contains(name)) return false;
      found_.insert(name);
      return true;
    };
    if (options_.fp32_ops.contains(node->op) && in_f32(node))
      keep(node, Fp32Rule::Asked, "its type is named by --fp16_skip_op_types");
    const auto output = outputs_.find(node);
    const bool by_output = output != outputs_.end() && named(output->second);
    if (by_output || named(node->name) || std::ranges::any_of(node->origin, named))
      keep(node, Fp32Rule::Asked, "it is named by --fp16_skip_nodes");
  }

  // How many numbers a node adds up outside of the ops that do so in f32 as a whole; 0: none.
  int64_t summed(const Node* node) const {
    if (node->is(Op::CumSum)) return node->type.shape[static_cast<size_t>(node->int_attr("axis"))];
    if (node->is(Op::ReduceSum))
      return elements(node->in[0]->type.shape) / std::max<int64_t>(1, elements(node->type.shape));
    if (!node->is(Op::MatMul)) return 0;
    const int64_t inner = node->in[0]->type.shape.back();
    if (squares_in(node)) return inner;
    for (const size_t i : {0, 1})
      if (const std::optional<Addends> addends = addends_of(*node, i))
        return addends->most > 1 || inner == 1 ? addends->most : 0;
    if (std::ranges::any_of(node->in, is_constant)) return 0;
    const bool counts = range(node->in[0]).step != 0 || range(node->in[1]).step != 0;
    return counts && static_cast<double>(inner) > kFewActivations ? inner : 0;
  }

  // Whether a sum is one of squares.
  static bool squares_in(const Node* node) {
    if (!node->is(Op::MatMul)) return squared_by(behind_factors(node->in[0])) != nullptr;
    const Node *a = node->in[0], *b = node->in[1];
    if (squared_by(behind_factors(a)) || squared_by(behind_factors(b))) return true;
    for (const Node** side : {&a, &b})
      for (int i = 0; i < kFarthest && is_view(*side); ++i) *side = (*side)->in[0];
    return a == b;
  }

  void keep_sum(const Node* node) {
    const int64_t count = summed(node);
    if (count == 0 || !in_f32(node) || exact_in_half(range(node))) return;
    const std::string what = fmt::format("adds up {} numbers", count);
    if (range(node->in[0]).step != 0 && !range(node->in[0]).activation)
      keep(node, Fp32Rule::Counts, what);
    else if (squares_in(node))
      keep(node, Fp32Rule::Statistics, what + ", squares");
    else if (!fits_half(range(node)))
      keep(node, Fp32Rule::LongReductions, what + ": " + to_string(range(node)));
    else
      keep(node, Fp32Rule::Statistics, what);
    statistics_.insert(node);
  }

  // A small addend matters if the sum can be as small, which is what the sum's range says. Of
  // weights the largest matter.
  bool loses(const Node* node, const ValueRange& constant) const {
    if (!constant.activation && constant.largest() > kMaxHalf) return true;
    if (computes(node)) return !node->is(Op::Add) && !node->is(Op::Sub) && may_vanish(constant);
    const bool weighs = node->is(Op::MatMul) || node->is(Op::Gather);
    return weighs && constant.largest() != 0 && constant.largest() < kLeastHalf;
  }

  void keep_beside_constants(const Node* node) {
    for (Node* in : node->in) {
      if (!in_f32(in) || !is_constant(in) || !loses(node, range(in))) continue;
      return keep(node, Fp32Rule::Constants, "meets a constant of " + to_string(range(in)));
    }
  }

  void keep_readers(const Node* node) {
    bool mixed = false, statistic = false;
    for (Node* in : node->in) {
      if (!in_f32(in) || is_constant(in)) continue;
      const auto reason = why_.find(in);
      if (!fits_half(range(in)))
        keep(node, reason == why_.end() ? Fp32Rule::WideValues : reason->second.rule,
             fmt::format("reads %{}: {}", in->name, to_string(range(in))));
      (statistics_.contains(in) ? statistic : mixed) = true;
    }
    if (!statistic || !(computes(node) || moves(node))) return;
    keep(node, Fp32Rule::Statistics, "computes with a sum");
    if (in_f32(node) && !mixed) statistics_.insert(node);
  }

  // A product of activations is f32 as far as elements are computed one by one.
  void keep_products(const Node* node) {
    if (!computes(node) || !in_f32(node) || !is_wide_product(range(node))) return;
    keep(node, Fp32Rule::WideValues, "holds " + to_string(range(node)));
  }

  // Some values stand far from 0 and differ little, and some are the small difference of large
  // numbers. Half precision would round both away, so they stay in fp32 until a later node bounds
  // them.
  void keep_differences(const Node* node) {
    const bool offset =
        node->in.size() == 2 && is_offset(node, range(node->in[0]), range(node->in[1]));
    if (in_f32(node) && (offset || subtracts_input(node))) {
      keep(node, Fp32Rule::Statistics,
           offset ? "adds a number far from 0" : "is a difference of an input");
      differs_.insert(node);
      cancels_.insert(node);
    }
    const Node* of = nullptr;
    for (const Node* in : node->in)
      if (differs_.contains(in)) of = in;
    if (!of) return;
    keep(node, Fp32Rule::Statistics, fmt::format("reads %{}, a difference or an offset", of->name));
    if (in_f32(node) && (computes(node) || moves(node))) differs_.insert(node);
  }

  void keep_result(const Node* node) {
    const ValueRange& of = range(node);
    if (!in_f32(node) || fits_half(of)) return;
    const bool whole = of.step != 0 && !of.activation;
    keep(node, whole ? Fp32Rule::Indices : Fp32Rule::WideValues, "holds " + to_string(of));
  }

  // --- Back along the operands: what users ask for. ---

  void look_back_from(const Node* node) {
    ask_for_indices(node);
    ask_for_divisors(node);
    ask_for_parts(node);
    ask_for_terms(node);
    keep_if_read_in_f32(node);
  }

  // Of inputs, whole numbers that are compared, or of anything that becomes an i32.
  void ask_for_indices(const Node* node) {
    const bool into_i32 = node->is(Op::Cast) && node->type.dtype == DType::I32;
    const bool asked = to_index_.contains(node);
    const bool compares = node->type.dtype == DType::Bool;
    if (role_of(node->op) == FloatRole::Heavy || !(into_i32 || asked || compares)) return;
    for (const Node* in : node->in) {
      if (!in_f32(in) || exact_in_half(range(in))) continue;
      if (!into_i32 && !asked && !compares_given(node)) continue;
      const char* why =
          into_i32 ? "becomes a whole number" : "is compared, or an index is made of it";
      keep(node, Fp32Rule::Indices, why);
      note_f16_input(in);
      if (role_of(in->op) == FloatRole::Heavy) continue;
      keep(in, Fp32Rule::Indices, fmt::format("%{} is made of it", node->name));
      to_index_.insert(in);
    }
  }

  bool compares_given(const Node* node) const {
    return std::ranges::all_of(node->in,
                               [&](const Node* in) { return range(in).given || splat(in); });
  }

  // 1/x and log x are sensitive next to 0.
  void ask_for_divisors(const Node* node) {
    const Node* sensitive = nullptr;
    if (node->is(Op::Div)) sensitive = node->in[1];
    if (node->is(Op::Log)) sensitive = node->in[0];
    if (node->is(Op::Pow) && splat(node->in[1]).value_or(0) < 0) sensitive = node->in[0];
    if (divides_.contains(node))
      for (const Node* in : node->in) ask_for_divisor(node, in);
    if (sensitive) ask_for_divisor(node, sensitive);
  }

  void ask_for_divisor(const Node* node, const Node* in) {
    const ValueRange& of = range(in);
    const FloatRole made = role_of(in->op);
    if (!in_f32(in) || splat(in) || of.lo >= kLeastHalf || of.hi <= -kLeastHalf) return;
    if (made == FloatRole::Heavy || in->is(Op::Gelu)) return;
    keep(node, Fp32Rule::Divisors, "divides, or takes a logarithm");
    keep(in, Fp32Rule::Divisors, fmt::format("%{} divides by it: {}", node->name, to_string(of)));
    if (made != FloatRole::Reduces) divides_.insert(in);
  }

  // What a sum adds up.
  void ask_for_parts(const Node* node) {
    if (!kept(node) || summed(node) == 0 || why_.at(node).rule == Fp32Rule::Asked) return;
    for (const Node* in : node->in) {
      if (!leads_to_a_sum(in)) continue;
      if (kept(in) && why_.at(in).rule == Fp32Rule::WideValues) why_.erase(in);  // this says more
      keep(in, why_.at(node).rule, fmt::format("%{} adds it up", node->name));
    }
  }

  // Of a difference of squares, or beside an offset: each term, to the sum that made it.
  void ask_for_terms(const Node* node) {
    const auto squares = [&](const Node* in) { return range(in).power > 1 && kept(in); };
    const bool differs = (node->is(Op::Sub) || node->is(Op::Add)) && kept(node) &&
                         why_.at(node).rule == Fp32Rule::Statistics &&
                         std::ranges::any_of(node->in, squares);
    if (!differs && !cancels_.contains(node)) return;
    for (Node* in : node->in) {
      if (!in_f32(in) || is_constant(in)) continue;
      const FloatRole role = role_of(in->op);
      const bool made = role == FloatRole::Moves || in->is(Op::MatMul) || in->is(Op::Softmax) ||
                        (role == FloatRole::Computes && !in->is(Op::Gelu));
      if (!made || (node->is(Op::MatMul) && in->is(Op::MatMul))) continue;
      keep(in, Fp32Rule::Statistics, fmt::format("%{} is a difference of it", node->name));
      if (!in->is(Op::Softmax)) cancels_.insert(in);
    }
  }

  void keep_if_read_in_f32(const Node* node) {
    const auto users = users_.find(node);
    if (kept(node) || !leads_to_a_sum(node) || users == users_.end()) return;
    if (!std::ranges::all_of(users->second, [&](const Node* user) { return kept(user); })) return;
    const Node* user = users->second.front();
    if (why_.at(user).rule == Fp32Rule::Asked) return;
    keep(node, why_.at(user).rule, fmt::format("%{} reads it in f32", user->name));
  }

  // --- What cannot be kept. ---

  void note_f16_input(const Node* in) {
    const Node* source = in;
    for (int i = 0; i < kFarthest && (is_view(source) || source->is(Op::Cast)); ++i)
      source = source->in[0];
    if (source->is(Op::Input) && source->type.dtype == DType::F16 && warned_.insert(source).second)
      warnings_.push_back(fmt::format(
          "input '{}': is float16 and becomes an index or is compared, must be float32 or int32 "
          "where whole numbers pass 2048, which float16 rounds",
          source->name));
  }

  void check_outputs() {
    for (const Output& output : graph_.outputs) {
      const Node* node = output.node;
      if (node->type.dtype != DType::F16 || node->in.empty()) continue;
      const Node* value = node->is(Op::Cast) ? node->in[0] : node;
      const ValueRange& of = range(value);
      if (fits_half(of)) continue;
      warnings_.push_back(
          fmt::format("output '{}': is float16, of {} that holds {}, must be "
                      "float32 to have what float16 does not hold",
                      output.name, called(*value), to_string(of)));
    }
  }

  void check_names() {
    for (const std::string& name : options_.fp32_nodes)
      if (!found_.contains(name))
        warnings_.push_back(fmt::format(
            "fp16_skip_nodes: '{}' makes no float of its own after the passes (a constant, a whole "
            "number, or part of a fused operation), so nothing stays in fp32 for it",
            name));
  }

  Fp32Choice collect() {
    Fp32Choice choice;
    choice.warnings = std::move(warnings_);
    for (const auto& node : graph_.nodes()) {
      const auto reason = why_.find(node.get());
      if (reason == why_.end()) continue;
      choice.nodes.insert(node.get());
      // What only stretches or names anew is no work of its own.
      if (node->is(Op::Broadcast) || node->is(Op::Reshape)) continue;
      choice.why.push_back({node->origin.empty() ? node->name : node->origin.back(),
                            std::string(info(node->op).text), reason->second.rule,
                            reason->second.why});
    }
    return choice;
  }

  struct Reason {
    Fp32Rule rule;
    std::string why;
    Reason(Fp32Rule rule, std::string why) : rule(rule), why(std::move(why)) {}
  };

  const Graph& graph_;
  const PassOptions& options_;
  const ValueRanges ranges_;
  const UserMap users_;
  std::unordered_map<const Node*, std::string> outputs_;  // those that options.fp32_nodes names
  std::unordered_map<const Node*, Reason> why_;
  std::unordered_set<const Node*> statistics_;  // kept, and made of sums and numbers alone
  std::unordered_set<const Node*> differs_;     // kept: a difference or an offset, or made of one
  std::unordered_set<const Node*> cancels_;     // its terms are asked for
  std::unordered_set<const Node*> to_index_;    // an index, or what is compared, is made of it
  std::unordered_set<const Node*> divides_;     // a divisor is made of its operands
  std::set<std::string> found_;                 // of options.fp32_nodes
  std::unordered_set<const Node*> warned_;
  std::vector<std::string> warnings_;
};

}  // namespace

std::string_view name_of(Fp32Rule rule) {
  switch (rule) {
#define RULE(id, name, ...) \
  case Fp32Rule::id: return name;
#include "passes/fp32_rules.def"
#undef RULE
  }
  return "";
}

Fp32Choice choose_fp32(const Graph& graph, const PassOptions& options) {
  return Chooser(graph, options).run();
}

Status check_node_names(const Graph& graph, const std::set<std::string>& names) {
  if (names.empty()) return {};
  std::set<std::string> known;
  for (const auto& node : graph.nodes()) {
    known.insert(node->name);
    known.insert(node->origin.begin(), node->origin.end());
  }
  for (const Output& output : graph.outputs) known.insert(output.name);
  for (const std::string& name : names) {
    if (known.contains(name)) continue;
    const std::vector<std::string> all(known.begin(), known.end());
    if (all.empty()) break;
    return Error{fmt::format("fp16_skip_nodes: there is no node or value '{}', the nearest is '{}'",
                             name, nearest_name(name, all)),
                 ErrorKind::Usage};
  }
  return {};
}

}  // namespace tessera
