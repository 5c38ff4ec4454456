// SPDX-License-Identifier: Apache-2.0
#include "compiler/lower/shard.h"

#include <fmt/format.h>

#include <algorithm>

namespace tessera {
namespace {

Error usage(const std::string& what) {
  return {"manual_sharding_config: " + what, ErrorKind::Usage};
}

// The node and all behind it that nobody has placed.
void place_all(const Node* node, const NodePlace& place, Placements& placements) {
  std::vector<const Node*> next{node};
  while (!next.empty()) {
    const Node* at = next.back();
    next.pop_back();
    if (!placements.try_emplace(at, place).second) continue;
    next.insert(next.end(), at->in.begin(), at->in.end());
  }
}

Status check_cuts(const std::vector<ShardCut>& cuts, int64_t ipus) {
  for (size_t i = 0; i < cuts.size(); ++i) {
    const ShardCut& cut = cuts[i];
    if (cut.ipu >= ipus)
      return usage(fmt::format("node '{}': device is {}, must be below {}, the number of IPUs",
                               cut.node, cut.ipu, ipus));
    const int64_t before = i == 0 ? 0 : cuts[i - 1].stage;
    if (cut.stage < before || cut.stage > before + (i > 0))
      return usage(
          fmt::format("node '{}': stage is {}, must be {} or one more: stages begin at 0 "
                      "and none is left out",
                      cut.node, cut.stage, before));
    if (i > 0 && cut.stage == before && cut.ipu != cuts[i - 1].ipu)
      return usage(fmt::format("node '{}': stage {} is on devices {} and {}, must be on one",
                               cut.node, cut.stage, cuts[i - 1].ipu, cut.ipu));
  }
  return {};
}

bool comes_from(const Node& node, const std::string& name) {
  return std::ranges::find(node.origin, name) != node.origin.end();
}

}  // namespace

Expected<Placements> cut_by_hand(const Graph& graph, const std::vector<ShardCut>& cuts,
                                 int64_t ipus, bool pipelined) {
  std::vector<ShardCut> asked = cuts;
  if (!pipelined)
    for (ShardCut& cut : asked) cut.stage = 0;
  if (pipelined) TRY(check_cuts(asked, ipus));
  Placements placements;
  NodePlace place;
  for (const ShardCut& cut : asked) {
    if (cut.ipu >= ipus)
      return check_cuts(
                 {
                     {cut.node, cut.ipu, 0}
      },
                 ipus)
          .error();
    place = {cut.ipu, cut.stage, place.part + 1};
    bool known = false;
    for (const auto& node : graph.nodes()) {
      if (!comes_from(*node, cut.node)) continue;
      known = true;
      place_all(node.get(), place, placements);
    }
    if (!known)
      return usage(
          fmt::format("there is no node '{}' in the model, or nothing is left of it, must "
                      "be the name of one that is computed",
                      cut.node));
  }
  ++place.part;
  if (place.ipu + 1 < ipus) {
    ++place.ipu;
    place.stage += pipelined;
  }
  for (const auto& node : graph.nodes()) placements.try_emplace(node.get(), place);
  return placements;
}

namespace {

constexpr size_t kMostCuts = 1500;  // places where a cut is considered
// The weight of a byte over links beside the work of a part, about as on C600s. It is the same for
// all links, so that faster ones have the same cuts to choose from and are never slower.
constexpr double kCyclesPerByte = 0.05;

// The nodes that are computed, in order, and what each brings with it.
struct Chain {
  std::vector<const Node*> nodes;
  std::vector<double> cycles, bytes;  // bytes: of constants that no node before reads
  std::vector<double> crossing;       // bytes that are sent if the chain is cut behind the node
  std::unordered_map<const Node*, size_t> place;  // of any node: whose step computes it, or is next
};

Chain chain_of(const Graph& graph, const Lowered& whole, const ProgramCost& cost) {
  Chain chain;
  std::unordered_map<const Node*, size_t> computed;
  for (size_t s = 0; s < whole.node_of_step.size(); ++s) {
    const Node* node = whole.node_of_step[s];
    if (node == nullptr) continue;
    if (computed.try_emplace(node, chain.nodes.size()).second) {
      chain.nodes.push_back(node);
      chain.cycles.push_back(0);
    }
    const SuperstepCost& step = cost.steps[s];
    chain.cycles[computed[node]] +=
        static_cast<double>((step.compute + step.exchange + step.rearrange + step.sync).value);
  }
  size_t next = 0;
  for (const auto& node : graph.nodes()) {
    const auto found = computed.find(node.get());
    chain.place[node.get()] = chain.nodes.empty() ? 0 : std::min(next, chain.nodes.size() - 1);
    if (found == computed.end()) continue;
    chain.place[node.get()] = found->second;
    next = found->second + 1;
  }
  return chain;
}

bool has_bytes(const Node* node, const Chain& chain) {
  const auto place = chain.place.find(node);
  return node->is(Op::Input) || (place != chain.place.end() && chain.nodes[place->second] == node);
}

double bytes_of(const Node* node) {
  return static_cast<double>(elements(node->type.shape) * size_of(node->type.dtype));
}

void add_bytes(const Graph& graph, Chain& chain) {
  chain.bytes.resize(chain.nodes.size());
  chain.crossing.resize(chain.nodes.size() + 1);
  std::unordered_map<const Node*, size_t> last_use;
  std::vector<const Node*> values;  // in the order of their last_use entries
  for (const auto& node : graph.nodes()) {
    const size_t here = chain.place.at(node.get());
    for (const Node* operand : node->in) {
      const Node* from = operand;
      while (!has_bytes(from, chain) && !from->is(Op::Constant) && !from->in.empty())
        from = from->in[0];
      const auto [use, is_new] = last_use.try_emplace(from, here);
      use->second = std::max(use->second, here);
      if (!is_new) continue;
      if (from->is(Op::Constant))
        chain.bytes[here] += bytes_of(from);
      else
        values.push_back(from);
    }
  }
  for (const Node* value : values) {
    const size_t made = value->is(Op::Input) ? 0 : chain.place.at(value);
    for (size_t at = made; at < last_use.at(value); ++at) chain.crossing[at] += bytes_of(value);
  }
}

// The cut into `parts` whose worst part is best, and of those the one that sends least.
class Cutter {
 public:
  Cutter(const Chain& chain, double bytes_weight) : chain_(chain), weight_(bytes_weight) {
    const size_t nodes = chain.nodes.size();
    const size_t stride = (nodes + kMostCuts - 1) / kMostCuts;
    for (size_t at = 0; at < nodes; at += stride) begins_.push_back(at);
    begins_.push_back(nodes);
    for (size_t i = 0; i < nodes; ++i) {
      cycles_.push_back(cycles_.back() + chain.cycles[i]);
      bytes_.push_back(bytes_.back() + chain.bytes[i]);
    }
  }

  // The first node of each part.
  std::vector<size_t> cut(size_t parts) {
    const size_t places = begins_.size();
    std::vector<std::vector<Best>> best(parts + 1, std::vector<Best>(places));
    best[0][0] = {0, 0, 0};
    for (size_t p = 1; p <= parts; ++p)
      for (size_t end = p; end < places; ++end)
        for (size_t begin = p - 1; begin < end; ++begin)
          best[p][end].offer(best[p - 1][begin], score(begins_[begin], begins_[end]),
                             begin == 0 ? 0 : chain_.crossing[begins_[begin] - 1], begin);
    std::vector<size_t> firsts;
    size_t end = places - 1;
    for (size_t p = parts; p > 0; --p) {
      end = best[p][end].begin;
      firsts.insert(firsts.begin(), begins_[end]);
    }
    return firsts;
  }

 private:
  struct Best {
    double worst = 1e300, sent = 1e300;
    size_t begin = 0;
    void offer(const Best& before, double score, double more, size_t from) {
      const Best other{std::max(before.worst, score), before.sent + more, from};
      if (std::pair(other.worst, other.sent) < std::pair(worst, sent)) *this = other;
    }
  };

  double score(size_t begin, size_t end) const {
    const double sent = begin == 0 ? 0 : chain_.crossing[begin - 1];
    const double cycles = cycles_[end] - cycles_[begin] + sent * kCyclesPerByte;
    const double all = std::max(1.0, bytes_.back());
    return std::max(cycles / cycles_.back(), weight_ * (bytes_[end] - bytes_[begin]) / all);
  }

  const Chain& chain_;
  double weight_;
  std::vector<size_t> begins_;
  std::vector<double> cycles_{0}, bytes_{0};  // sums of all nodes before
};

}  // namespace

std::vector<Placements> cuts_by_cost(const Graph& graph, const Lowered& whole,
                                     const ProgramCost& cost, const Target& target,
                                     bool pipelined) {
  Chain chain = chain_of(graph, whole, cost);
  if (chain.nodes.empty()) return {Placements{}};  // nothing is computed: all stays on IPU 0
  add_bytes(graph, chain);
  const auto parts = std::min(static_cast<size_t>(target.ipus), chain.nodes.size());
  std::vector<Placements> cuts;
  std::vector<std::vector<size_t>> known;
  for (const double weight : {0.0, 0.5, 1.0, 2.0, 1e6}) {
    std::vector<size_t> firsts = Cutter(chain, weight).cut(parts);
    if (std::ranges::find(known, firsts) != known.end()) continue;
    Placements placements;
    for (const auto& [node, place] : chain.place) {
      const auto part = std::upper_bound(firsts.begin(), firsts.end(), place) - firsts.begin() - 1;
      placements[node] = {part, pipelined ? part : 0, part};
    }
    cuts.push_back(std::move(placements));
    known.push_back(std::move(firsts));
  }
  return cuts;
}

}  // namespace tessera
