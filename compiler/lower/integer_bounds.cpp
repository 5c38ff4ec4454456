// SPDX-License-Identifier: Apache-2.0
#include "compiler/lower/integer_bounds.h"

#include <fmt/format.h>

#include <unordered_set>
#include <vector>

#include "compiler/lower/index_range.h"
#include "compiler/lower/lower.h"

namespace tessera {
namespace {

constexpr double kLeast = -2147483648.0, kMost = 2147483647.0;
constexpr int kRounds = 64;  // then all bounds become smaller at once

const std::string& name_of(const Node* node) {
  return node->origin.empty() ? node->name : node->origin.back();
}

class Bounder {
 public:
  Bounder(const Graph& graph, const NamedIntervals& declared)
      : graph_(graph), declared_(declared), limits_(index_limits(graph)) {}

  Expected<IntegerBounds> run() {
    for (int round = 0;; ++round) {
      walk();
      if (leaving_.empty()) return collect();
      TRY(narrow(round < kRounds));
    }
  }

 private:
  // The interval of every value under the bounds so far, and the nodes that leave 32 bits first.
  void walk() {
    known_.clear();
    leaving_.clear();
    for (const auto& node : graph_.nodes()) {
      if (node->type.dtype == DType::Bool) {
        known_[node.get()] = {0, 1};
      } else if (is_byte(node->type.dtype)) {
        known_[node.get()] = interval_of(node->type.dtype);
      } else if (node->type.dtype == DType::I32) {
        known_[node.get()] = of_integer(node.get());
      } else if (const auto interval = computed_interval(node.get(), known_);
                 interval && !std::isnan(interval->low) && !std::isnan(interval->high)) {
        known_[node.get()] = *interval;
      } else if (node->is(Op::Softmax) || node->is(Op::Tanh) || node->is(Op::Erf) ||
                 node->is(Op::ErfV2) || node->is(Op::Sin) || node->is(Op::Cos)) {
        known_[node.get()] = {-1, 1};
      }
    }
  }

  Interval of_integer(const Node* node) {
    const auto limit = node->is(Op::Input) ? limits_.find(node->name) : limits_.end();
    if (limit != limits_.end()) return {0, static_cast<double>(limit->second - 1)};
    const auto declared = node->is(Op::Input) ? declared_.find(node->name) : declared_.end();
    if (declared != declared_.end()) return declared->second;
    if (node->is(Op::Input)) return of_source(node);
    const std::optional<Interval> interval = computed_interval(node, known_);
    const bool from_float = node->is(Op::Cast) && is_float(node->in[0]->type.dtype);
    if (interval && interval->low >= kLeast && interval->high <= kMost) return *interval;
    if (from_float) return of_source(node);
    if (interval) leaving_.push_back(node);
    return {kLeast, kMost};
  }

  Interval of_source(const Node* node) {
    const int64_t least = node->is(Op::Input) ? INT32_MIN : -INT32_MAX;  // casts end at INT32_MIN
    const IntegerBound whole{.most = INT32_MAX, .node = "", .least = least};
    const IntegerBound& bound = bounds_.try_emplace(node, whole).first->second;
    return {static_cast<double>(bound.least), static_cast<double>(bound.most)};
  }

  // Whole numbers that are subtracted from each other are often large and seldom negative, as
  // seconds since 1970 are: as much room above 0 as leaves some below. Others have as much of both.
  static void narrow(IntegerBound& bound, const Node* leaving, bool is_input) {
    constexpr int64_t kBelow = 65536;
    const auto is_constant = [](const Node* in) { return in->is(Op::Constant); };
    const bool differs = leaving && leaving->is(Op::Sub) && !is_constant(leaving->in[0]) &&
                         !is_constant(leaving->in[1]);
    const bool one_sided = bound.least == -kBelow;
    if (bound.least == INT32_MIN) {  // the one number that has no negative
      bound.least = -INT32_MAX;
      return;
    }
    if (is_input && differs && bound.most == INT32_MAX) {
      bound.most = INT32_MAX - kBelow;
      bound.least = -kBelow;
      return;
    }
    bound.most = std::max<int64_t>(1, (one_sided ? INT32_MAX : bound.most) / 2);
    bound.least = -bound.most;
  }

  // Halves the bounds of the sources that a leaving node is computed from.
  Status narrow(bool only_these) {
    std::unordered_map<const Node*, const Node*> leads_to;  // a node that leaves
    for (const Node* node : leaving_) leads_to[node] = node;
    bool any = false;
    for (auto at = graph_.nodes().rbegin(); at != graph_.nodes().rend(); ++at) {
      const Node* node = at->get();
      const auto found = leads_to.find(node);
      const auto bound = bounds_.find(node);
      if (bound != bounds_.end() && (found != leads_to.end() || !only_these)) {
        if (bound->second.most > 1) any = true;
        const Node* leaving = found == leads_to.end() ? nullptr : found->second;
        narrow(bound->second, leaving, node->is(Op::Input));
        if (found != leads_to.end()) bound->second.node = name_of(found->second);
        continue;
      }
      if (found == leads_to.end() || node->type.dtype == DType::Bool) continue;
      for (size_t i = 0; i < node->in.size(); ++i) {
        const bool chooses = (node->is(Op::Select) && i == 0) || (node->is(Op::Gather) && i == 1);
        if (!chooses) leads_to.try_emplace(node->in[i], found->second);
      }
    }
    if (any) return {};
    const Node* node = leaving_.front();
    const Interval is = *computed_interval(node, known_);
    return Error{
        fmt::format("node '{}' ({}): computes whole numbers in {:.0f}..{:.0f}, must stay "
                    "within 32 bits, as int64 is int32 here: compute them in smaller "
                    "numbers, or before the model",
                    name_of(node), info(node->op).text, is.low, is.high)};
  }

  IntegerBounds collect() const {
    IntegerBounds result;
    for (const auto& [node, bound] : bounds_) {
      if (!node->is(Op::Input))
        result.casts.emplace(node, bound);
      else if (bound.least > INT32_MIN)
        result.inputs.emplace(node->name, bound);
    }
    for (const Node* input : graph_.inputs)
      if (const auto is = declared_.find(input->name); is != declared_.end())
        result.inputs[input->name] = {.most = static_cast<int64_t>(is->second.high),
                                      .node = "",
                                      .least = static_cast<int64_t>(is->second.low)};
    return result;
  }

  const Graph& graph_;
  const NamedIntervals& declared_;
  const std::map<std::string, int64_t> limits_;
  Intervals known_;
  std::vector<const Node*> leaving_;
  std::unordered_map<const Node*, IntegerBound> bounds_;
};

}  // namespace

Expected<IntegerBounds> find_integer_bounds(const Graph& graph, const NamedIntervals& declared) {
  return Bounder(graph, declared).run();
}

}  // namespace tessera
