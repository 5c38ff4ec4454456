// SPDX-License-Identifier: Apache-2.0
#include "program/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "program/bounds.h"
#include "program/boxes.h"
#include "program/isolation.h"
#include "program/parts_check.h"
#include "program/stages.h"

namespace tessera {
namespace {

// How many vertices a grid has, on however many tiles; none where it is unsound.
int64_t bounded_count(const VertexGrid& grid) {
  int64_t count = 1;
  for (int64_t extent : grid.extent)
    count = std::clamp<int64_t>(extent, 0, kMaxTiles + 1) * std::min(count, kMaxTiles + 1);
  return std::min(count, kMaxTiles + 1);
}

int64_t dims_of(const Region& region) { return static_cast<int64_t>(region.dims.size()); }

class Verifier {
 public:
  Verifier(const Program& program, const CheckComputeSet& check, const Limits& limits,
           const Deadline& deadline)
      : program_(program),
        check_(check),
        limits_(limits),
        deadline_(deadline),
        blocks_(limits, &Limits::blocks),
        work_(limits, deadline_) {}

  Status run() {
    TRY(check_sizes());
    TRY(in("program", program_.name.empty() ? Status{} : check_name(program_.name)));
    TRY(in("target", check_target(program_.target)));
    TRY(in("host", check_host(program_.host)));
    TRY(check_variables());
    TRY(in("inputs", check_entries(program_.inputs, VariableKind::Input, "input")));
    TRY(in("outputs", check_entries(program_.outputs, VariableKind::Output, "output")));
    TRY(check_supersteps());
    for (const Variable& variable : program_.variables)
      if (variable.kind == VariableKind::Output && !is_ready(variable))
        return bad(
            fmt::format("output '{}': no superstep writes it, must be written", variable.name));
    return {};
  }

 private:
  static Error bad(std::string message) { return {std::move(message), ErrorKind::BadFile}; }
  static Status in(std::string_view where, const Status& status) {
    if (status.ok()) return {};
    const Error& error = status.error();
    const bool refused = error.kind == ErrorKind::Refused;
    return Error{fmt::format("{}: {}", where, error.message),
                 refused ? ErrorKind::Refused : ErrorKind::BadFile, error.type};
  }
  static Status few(std::string_view what, size_t count, size_t limit) {
    if (count <= limit) return {};
    return bad(fmt::format("{} {}, must be at most {}", count, what, limit));
  }

  // Bounds the sizes by which all checks behind this one take their time, and by which pricing
  // allocates: a few numbers for each tile and superstep.
  Status check_sizes() const {
    TRY(few("variables", program_.variables.size(), kMaxVariables));
    TRY(few("supersteps", program_.supersteps.size(), kMaxSupersteps));
    int64_t vertices = 0;
    for (const Superstep& step : program_.supersteps) {
      vertices += bounded_count(step.compute.grid);
      for (const Transfer& transfer : step.exchange) vertices += bounded_count(transfer.grid);
    }
    return check_limit(limits_, &Limits::vertices, vertices, "program");
  }

  bool is_ready(const Variable& variable) const {
    return ready_[static_cast<size_t>(&variable - program_.variables.data())];
  }

  Status check_variables() {
    std::unordered_set<std::string_view> names;
    std::vector<bool> numbered(static_cast<size_t>(
        std::ranges::count(program_.variables, VariableKind::Constant, &Variable::kind)));
    for (const Variable& variable : program_.variables) {
      TRY(in(fmt::format("variable {}", ready_.size()), check_name(variable.name)));
      const std::string where = fmt::format("variable '{}'", variable.name);
      TRY(in(where, check_variable(variable, program_.target)));
      TRY(blocks_.spend(block_count(variable.mapping), where));
      if (!names.insert(variable.name).second)
        return bad(where + ": name is taken by another, must be unique");
      if (variable.kind == VariableKind::Constant) TRY(in(where, check_number(variable, numbered)));
      ready_.push_back(variable.kind == VariableKind::Input ||
                       variable.kind == VariableKind::Constant);
    }
    return {};
  }

  static Status check_number(const Variable& variable, std::vector<bool>& numbered) {
    const auto number = static_cast<size_t>(variable.constant);
    if (variable.constant < 0 || number >= numbered.size() || numbered[number])
      return Error{fmt::format("constant is {}, must be one of 0 to {} that no other has",
                               variable.constant, numbered.size() - 1)};
    numbered[number] = true;
    return {};
  }

  Status check_entries(const std::vector<VariableId>& ids, VariableKind kind,
                       std::string_view word) const {
    std::unordered_set<VariableId> seen;
    for (VariableId id : ids) {
      TRY(check_id(id));
      const Variable& variable = program_.variables[static_cast<size_t>(id)];
      if (variable.kind != kind || !seen.insert(id).second)
        return Error{
            fmt::format("'{}' is listed, must be an {} and listed once", variable.name, word)};
    }
    for (size_t id = 0; id < program_.variables.size(); ++id)
      if (program_.variables[id].kind == kind && !seen.contains(static_cast<VariableId>(id)))
        return Error{fmt::format("'{}' must be listed", program_.variables[id].name)};
    return {};
  }

  Status check_id(VariableId id) const {
    if (id >= 0 && static_cast<size_t>(id) < program_.variables.size()) return {};
    return Error{fmt::format("variable {} is named, must be one of 0 to {}", id,
                             static_cast<int64_t>(program_.variables.size()) - 1)};
  }

  Status check_supersteps() {
    const int64_t steps =
        program_.target.all_tiles() * static_cast<int64_t>(program_.supersteps.size());
    TRY(few("tiles times supersteps", static_cast<size_t>(steps), kMaxSteps));
    constexpr int64_t kPriceBytes = 3 * sizeof(int64_t);  // of a tile in a superstep
    TRY(check_limit(limits_, &Limits::memory, steps * kPriceBytes, "program"));
    std::unordered_set<std::string_view> names;
    for (const Superstep& step : program_.supersteps) {
      TRY(in(fmt::format("superstep {}", names.size()), check_name(step.name)));
      const std::string where = fmt::format("superstep '{}'", step.name);
      if (!names.insert(step.name).second)
        return bad(where + ": name is taken by another, must be unique");
      TRY(in(where, check_superstep(step)));
      TRY(deadline_.check(where, std::ssize(names), std::ssize(program_.supersteps)));
    }
    return check_stages(program_);
  }

  Status check_superstep(const Superstep& step) {
    TRY(few("origins", step.origin.size(), kMaxPerSuperstep));
    for (const std::string& origin : step.origin) TRY(in("origin", check_name(origin)));
    TRY(check_exchange(step.exchange));
    TRY(check_compute(step.compute));
    TRY(work_.spend(steps_of(step)));
    if (check_) TRY(check_(program_, step.compute));
    TRY(check_isolation(program_, step, work_));
    for (const Operand& operand : step.compute.operands)
      if (operand.writes) note_written(operand.region);
    return {};
  }

  // A check of each vertex looks at every dimension of its operands.
  static int64_t steps_of(const Superstep& step) {
    int64_t dims = 0, steps = 0;
    for (const Operand& operand : step.compute.operands) dims += 1 + dims_of(operand.region);
    steps = vertex_count(step.compute.grid) * dims;
    for (const Transfer& transfer : step.exchange)
      steps += vertex_count(transfer.grid) * (1 + dims_of(transfer.region));
    return steps;
  }

  void note_written(const Region& region) {
    const auto id = static_cast<size_t>(region.variable);
    if (slice_of(region) >= 0) slices_[id] = {region.view[0], slice_of(region) + 1};
    ready_[id] = slice_of(region) < 0 || slices_[id].written == slices_[id].of;
  }

  Status check_exchange(const std::vector<Transfer>& exchange) const {
    TRY(few("transfers", exchange.size(), kMaxPerSuperstep));
    for (size_t i = 0; i < exchange.size(); ++i) {
      const std::string where = fmt::format("transfer {}", i);
      TRY(in(where, check_grid(exchange[i].grid)));
      TRY(in(where, check_region(exchange[i].region, exchange[i].grid)));
      TRY(in(where, check_read(exchange[i].region)));
    }
    return {};
  }

  Status check_compute(const ComputeSet& set) {
    TRY(in("codelet", check_name(set.codelet)));
    TRY(few("parameters", set.params.size(), kMaxParams));
    for (const Param& param : set.params) {
      TRY(in("parameter", check_name(param.name)));
      TRY(few("values of a parameter", param.values.size(), kMaxPerSuperstep));
    }
    TRY(in("grid", check_grid(set.grid)));
    TRY(few("operands", set.operands.size(), kMaxPerSuperstep));
    for (size_t i = 0; i < set.operands.size(); ++i)
      TRY(in(fmt::format("operand {}", i), check_region(set.operands[i].region, set.grid)));
    return check_order(set);
  }

  // An element is written before it is read, once, and by one operand.
  Status check_order(const ComputeSet& set) const {
    std::unordered_set<VariableId> written;
    for (size_t i = 0; i < set.operands.size(); ++i) {
      const Operand& operand = set.operands[i];
      if (operand.writes) TRY(in(fmt::format("operand {}", i), check_write(operand.region)));
      if (operand.writes && !written.insert(operand.region.variable).second)
        return Error{fmt::format("operand {}: writes '{}' once more, must be its only writer", i,
                                 variable_of(operand.region).name)};
    }
    for (size_t i = 0; i < set.operands.size(); ++i) {
      const Operand& operand = set.operands[i];
      if (operand.writes) continue;
      if (written.contains(operand.region.variable))
        return Error{
            fmt::format("operand {}: reads '{}', which the same compute set must not write", i,
                        variable_of(operand.region).name)};
      TRY(in(fmt::format("operand {}", i), check_read(operand.region)));
    }
    if (!written.empty()) return {};
    return Error{"no operand is written, at least one must be"};
  }

  Status check_grid(const VertexGrid& grid) const {
    if (grid.extent.size() > kMaxRank)
      return Error{fmt::format("rank is {}, must be at most {}", grid.extent.size(), kMaxRank)};
    return check_tiles(grid.first, grid.deal, grid.extent, program_.target);
  }

  Status check_region(const Region& region, const VertexGrid& grid) const {
    TRY(check_id(region.variable));
    TRY(check_view(variable_of(region), region.view));
    if (region.dims.size() != region.view.size())
      return Error{fmt::format("{} dimensions are given, must be those of {}", region.dims.size(),
                               to_string(region.view))};
    for (size_t d = 0; d < region.dims.size(); ++d)
      TRY(in(fmt::format("dimension {}", d), check_dim(region.dims[d], region.view[d], grid)));
    return {};
  }

  Status check_read(const Region& region) const {
    if (is_ready(variable_of(region))) return {};
    return Error{fmt::format("reads '{}', which no superstep before writes, must be written",
                             variable_of(region).name)};
  }

  Status check_write(const Region& region) const {
    const Variable& variable = variable_of(region);
    if (variable.kind == VariableKind::Input || variable.kind == VariableKind::Constant)
      return Error{fmt::format("writes '{}', must be an activation or an output", variable.name)};
    if (is_ready(variable))
      return Error{fmt::format("writes '{}' once more, must be its only writer", variable.name)};
    const auto slices = slices_.find(static_cast<size_t>(region.variable));
    const int64_t slice = slice_of(region);
    if (slices == slices_.end() && slice < 0) return {};
    const int64_t next = slices == slices_.end() ? 0 : slices->second.written;
    const int64_t of = slices == slices_.end() ? region.view[0] : slices->second.of;
    if (slice == next && region.view[0] == of) return {};
    return Error{fmt::format("writes {} of '{}', must write slice {} of {}",
                             slice < 0 ? "all" : fmt::format("slice {}", slice), variable.name,
                             next, of)};
  }

  const Variable& variable_of(const Region& region) const {
    return program_.variables[static_cast<size_t>(region.variable)];
  }

  const Program& program_;
  const CheckComputeSet& check_;
  const Limits& limits_;
  const Deadline& deadline_;
  Budget blocks_;
  std::vector<bool> ready_;  // by variable: written already, or there from the start
  struct Slices {
    int64_t of = 0, written = 0;
  };
  std::unordered_map<size_t, Slices> slices_;  // by variable that is written in slices
  WorkLimit work_;
};

}  // namespace

Status verify_program(const Program& program, const CheckComputeSet& check, const Limits& limits) {
  return verify_program(program, check, limits, Deadline(limits));
}

Status verify_program(const Program& program, const CheckComputeSet& check, const Limits& limits,
                      const Deadline& deadline) {
  return Verifier(program, check, limits, deadline).run();
}

}  // namespace tessera
