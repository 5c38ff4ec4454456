// SPDX-License-Identifier: Apache-2.0
#include "passes/fp32_nodes.h"

#include <fmt/format.h>

#include "passes/fp32_chooser.h"
#include "passes/scales.h"
#include "support/nearest.h"

namespace tessera {

Fp32Chooser::Fp32Chooser(const Graph& graph, const PassOptions& options)
    : graph_(graph),
      options_(options),
      ranges_(find_ranges(graph, options.declared)),
      sizes_(find_typical_sizes(graph)),
      users_(users_of(graph)) {
  for (const Output& output : graph.outputs)
    if (options.fp32_nodes.contains(output.name)) outputs_.emplace(output.node, output.name);
}

Fp32Choice Fp32Chooser::run() {
  for (const Node* node : find_scales(graph_))
    keep(node, Fp32Rule::Scales, "is a scale, or divides or multiplies by one");
  for (const auto& node : graph_.nodes()) look_at(node.get());
  for (auto node = graph_.nodes().rbegin(); node != graph_.nodes().rend(); ++node)
    look_back_from(node->get());
  check_outputs();
  check_names();
  return collect();
}

void Fp32Chooser::keep(const Node* node, Fp32Rule rule, const std::string& why) {
  if (node->in.empty() || !(in_f32(node) || reads_f32(node))) return;
  why_.try_emplace(node, rule, why);
}

void Fp32Chooser::note_f16_input(const Node* in) {
  const Node* source = in;
  for (int i = 0; i < kFarthest && (is_view(source) || source->is(Op::Cast)); ++i)
    source = source->in[0];
  if (source->is(Op::Input) && source->type.dtype == DType::F16 && warned_.insert(source).second)
    warnings_.push_back(fmt::format(
        "input '{}': is float16 and becomes an index or is compared, must be float32 or int32 "
        "where whole numbers pass 2048, which float16 rounds",
        source->name));
}

void Fp32Chooser::check_outputs() {
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

void Fp32Chooser::check_names() {
  for (const std::string& name : options_.fp32_nodes)
    if (!found_.contains(name))
      warnings_.push_back(fmt::format(
          "fp16_skip_nodes: '{}' makes no float of its own after the passes (a constant, a whole "
          "number, or part of a fused operation), so nothing stays in fp32 for it",
          name));
}

Fp32Choice Fp32Chooser::collect() {
  Fp32Choice choice;
  choice.warnings = std::move(warnings_);
  for (const auto& node : graph_.nodes()) {
    const auto reason = why_.find(node.get());
    if (reason == why_.end()) continue;
    choice.nodes.insert(node.get());
    // A broadcast and a reshape do no work of their own, so no reason is printed for them.
    if (node->is(Op::Broadcast) || node->is(Op::Reshape)) continue;
    choice.why.push_back({node->origin.empty() ? node->name : node->origin.back(),
                          std::string(info(node->op).text), reason->second.rule,
                          reason->second.why});
  }
  return choice;
}

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
  return Fp32Chooser(graph, options).run();
}

Status check_node_names(const Graph& graph, std::string_view option,
                        const std::set<std::string>& names) {
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
    return Error{fmt::format("{}: there is no node or value '{}', the nearest is '{}'", option,
                             name, nearest_name(name, all)),
                 ErrorKind::Usage};
  }
  return {};
}

}  // namespace tessera
