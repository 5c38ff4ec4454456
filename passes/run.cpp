// SPDX-License-Identifier: Apache-2.0
// Runs the table: what every pass needs and none should do itself.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "ir/text.h"
#include "ir/verify.h"
#include "passes/fp32_nodes.h"
#include "passes/pipeline.h"
#include "support/check.h"
#include "support/file.h"
#include "support/nearest.h"

namespace tessera {
namespace {

const Pass* find(std::string_view name) {
  for (const Pass& pass : all_passes())
    if (pass.name == name) return &pass;
  return nullptr;
}

Status check_names(const std::set<std::string>& names) {
  for (const std::string& name : names) {
    if (find(name)) continue;
    const Pass& near = *std::ranges::min_element(
        all_passes(), {}, [&](const Pass& pass) { return edit_distance(name, pass.name); });
    return Error{fmt::format("passes: there is no '{}', the nearest is '{}'", name, near.name),
                 ErrorKind::Usage};
  }
  return {};
}

Status settle(PassOptions& options, const std::set<std::string>& add) {
  for (const std::string& name : add) {
    const RunsWhere& runs = find(name)->runs;
    if (runs.option) options.*runs.option = true;
    if (runs.form == PackingForm::None) continue;
    if (options.packing != PackingForm::None && options.packing != runs.form)
      return Error{
          "passes: insert_packing and insert_attention_mask are two forms of packing, "
          "one at most can be asked for",
          ErrorKind::Usage};
    options.packing = runs.form;
  }
  options.position_ids |= options.packing != PackingForm::None;
  options.whole_mask |= options.packing != PackingForm::None;
  options.widens_halves |= options.fp16 || options.position_ids;
  return {};
}

// The first pass that looks for a pattern. Patterns know no values without elements, and what
// folding leaves of them no machine takes.
constexpr std::string_view kFirstPattern = "fuse_gelu";

Status refuse_empty(const Graph& graph) {
  for (const auto& node : graph.nodes())
    if (elements(node->type.shape) == 0) return without_elements(*node);
  return {};
}

Status dump(const Graph& graph, const std::string& folder, size_t number, const Pass& pass) {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed) return Error{folder + ": cannot be made: " + failed.message()};
  return write_file_atomic(fmt::format("{}/{:02}_{}.ir", folder, number, pass.name),
                           print(graph, {.origins = true}));
}

}  // namespace

Status make_bytes(PassState& state, int64_t bytes) {
  state.made_bytes += bytes;
  return check_limit(state.limits, &Limits::memory, state.made_bytes,
                     "passes: the constants that they make");
}

namespace {

Expected<bool> run_one(const Pass& pass, Graph& graph, PassState& state) {
  if (!TRY(pass.run(graph, state))) return false;
  graph.remove_dead();
  if (Status sound = verify(graph); !sound)
    return Error{internal_error(
        fmt::format("pass {} left a broken graph: {}", pass.name, sound.error().message))};
  return true;
}

}  // namespace

Expected<std::vector<PassTiming>> run_passes(Graph& graph, PassState& state,
                                             const std::set<std::string>& add,
                                             const std::set<std::string>& skip,
                                             const std::string& dump_dir) {
  using Clock = std::chrono::steady_clock;
  TRY(check_names(add));
  TRY(check_names(skip));
  TRY(settle(state.options, add));
  TRY(check_node_names(graph, "fp16_skip_nodes", state.options.fp32_nodes));
  TRY(check_node_names(graph, "fp8_skip_op_names", state.options.fp8_skip));
  std::set<std::string> with_params;
  for (const auto& [name, params] : state.options.fp8_by_name) with_params.insert(name);
  TRY(check_node_names(graph, "fp8_op_params", with_params));
  std::vector<PassTiming> timings;
  for (size_t number = 0; const Pass& pass : all_passes()) {
    ++number;
    if (pass.name == kFirstPattern) TRY(refuse_empty(graph));
    if (!pass.runs.holds(state.options) || skip.contains(pass.name)) continue;
    const Clock::time_point start = Clock::now();
    if (state.deadline)
      TRY(state.deadline->check(fmt::format("passes: {}", pass.name), static_cast<int64_t>(number),
                                std::ssize(all_passes())));
    const bool changed = TRY(run_one(pass, graph, state));
    const std::chrono::duration<double, std::milli> spent = Clock::now() - start;
    timings.push_back({pass.name, spent.count(), changed});
    if (changed && !dump_dir.empty()) TRY(dump(graph, dump_dir, number, pass));
  }
  return timings;
}

}  // namespace tessera
