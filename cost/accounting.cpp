// SPDX-License-Identifier: Apache-2.0
#include "cost/accounting.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "codelets/codelet.h"
#include "cost/arrangement.h"
#include "cost/kept.h"
#include "cost/pipeline.h"
#include "program/boxes.h"
#include "support/check.h"

namespace tessera {
namespace {

// Sources: docs/model.md.
constexpr int64_t kCodePerFragment = 12;  // three instructions
constexpr int64_t kCodePerExchange = 100;
constexpr int64_t kControlPerSuperstep = 100;  // of those that differ

using ByTile = Accounting::ByTile;

std::vector<Life> lives_of(const Program& program) {
  std::vector<Life> lives(program.variables.size());
  const auto use = [&](const Region& region, int64_t step) {
    Life& life = lives[static_cast<size_t>(region.variable)];
    if (life.last < 0) life.first = step;
    life.last = step;
  };
  for (size_t s = 0; s < program.supersteps.size(); ++s) {
    for (const Transfer& transfer : program.supersteps[s].exchange)
      use(transfer.region, static_cast<int64_t>(s));
    for (const Operand& operand : program.supersteps[s].compute.operands)
      use(operand.region, static_cast<int64_t>(s));
  }
  for (VariableId id : program.inputs) {
    Life& life = lives[static_cast<size_t>(id)];
    life = {0, std::max<int64_t>(life.last, 0)};
  }
  for (VariableId id : program.outputs)
    lives[static_cast<size_t>(id)].last = static_cast<int64_t>(program.supersteps.size()) - 1;
  for (size_t id = 0; id < lives.size(); ++id)
    if (program.variables[id].kind == VariableKind::Constant) lives[id] = {};
  return lives;
}

void add_blocks(const Variable& variable, int64_t count, ByTile& bytes) {
  const int64_t blocks = block_count(variable.mapping);
  for (int64_t k = 0; k < blocks; ++k)
    bytes[static_cast<size_t>(tile_of(variable.mapping, k))] +=
        count * elements(block_at(variable.mapping, k)) * size_of(variable.dtype);
}

std::string stash_text(int64_t copies) {
  return copies == 1 ? "" : ", of " + std::to_string(copies) + " batches";
}

const Codelet& codelet_of(const std::string& name) {
  const Codelet* codelet = find_codelet(name);
  CHECK(codelet != nullptr);
  return *codelet;
}

}  // namespace

int64_t gaps_of(int64_t live_bytes) { return (live_bytes * kGapPercent + 99) / 100; }

Expected<Accounting> Accounting::of(const Program& program, WorkLimit* work) {
  Accounting accounting(program, work);
  TRY(accounting.add_exchanges());
  accounting.add_control();
  return accounting;
}

Accounting::Accounting(const Program& program, WorkLimit* work)
    : program_(program),
      work_(work),
      tiles_(static_cast<size_t>(program.target.all_tiles())),
      lives_(lives_of(program)),
      copies_(stashed_copies(program)),
      constants_(tiles_),
      code_(tiles_),
      state_(tiles_),
      exchange_code_(tiles_) {
  for (const Variable& variable : program.variables)
    if (variable.kind == VariableKind::Constant) add_blocks(variable, 1, constants_);
  keep_stashes();
  add_codelets();
  const std::vector<Arrangement> written = written_arrangements(program);
  for (const Superstep& step : program.supersteps) {
    arranged_.push_back(arranged_bytes(program, step, written));
    ipus_.push_back(ipus_of(step.compute.grid, program.target));
  }
}

// A value that a later stage reads is there all the time, for all batches between.
void Accounting::keep_stashes() {
  const auto last = static_cast<int64_t>(program_.supersteps.size()) - 1;
  for (size_t id = 0; id < copies_.size(); ++id)
    if (copies_[id] > 1) lives_[id] = {0, last};
}

int64_t Accounting::bytes_on(size_t id, size_t tile) const {
  return copies_[id] * bytes_on_tile(program_.variables[id], TileId{static_cast<uint32_t>(tile)});
}

int64_t Accounting::arranged(size_t step, size_t tile) const {
  const int64_t ipu = program_.target.ipu_of(static_cast<int64_t>(tile));
  return ipus_[step].begin <= ipu && ipu < ipus_[step].end ? arranged_[step] : 0;
}

int64_t Accounting::always_live(size_t tile) const {
  return constants_[tile] + code_[tile] + state_[tile] + exchange_code_[tile] + control_code_ +
         program_.target.stack_bytes + program_.target.reserved_bytes;
}

void Accounting::add_codelets() {
  std::map<std::string, size_t> known;
  for (const Superstep& step : program_.supersteps) {
    const ComputeSet& set = step.compute;
    add_code(set);
    const auto [at, is_new] =
        known.try_emplace(compute_code_key(program_, set), temporaries_.size());
    temporaries_of_step_.push_back(at->second);
    if (is_new) add_vertices(set);
  }
}

void Accounting::add_code(const ComputeSet& set) {
  std::vector<bool>& has_code =
      codelets_.try_emplace(set.codelet, std::vector<bool>(tiles_)).first->second;
  for (int64_t k = 0; k < vertex_count(set.grid); ++k) {
    const auto t = static_cast<size_t>(tile_of(set.grid, k));
    if (!has_code[t]) code_[t] += codelet_of(set.codelet).code_bytes;
    has_code[t] = true;
  }
}

void Accounting::add_vertices(const ComputeSet& set) {
  const Codelet& codelet = codelet_of(set.codelet);
  const VertexClasses classes = alike_vertices(set);
  std::vector<int64_t> state, temporary;
  for (int64_t k : classes.representative) {
    const VertexShape shape = vertex_shape(program_, set, k);
    state.push_back(codelet.state_bytes(shape));
    temporary.push_back(codelet.temporary_bytes(shape));
  }
  ByTile& temporaries = temporaries_.emplace_back(tiles_);
  for (size_t k = 0; k < classes.of_vertex.size(); ++k) {
    const auto tile = static_cast<size_t>(tile_of(set.grid, static_cast<int64_t>(k)));
    state_[tile] += state[static_cast<size_t>(classes.of_vertex[k])];
    temporaries[tile] = temporary[static_cast<size_t>(classes.of_vertex[k])];
  }
}

Status Accounting::add_exchanges() {
  std::map<std::string, size_t> known;
  std::set<std::string> coded;
  for (const Superstep& step : program_.supersteps) {
    const auto [at, is_new] = known.try_emplace(exchange_key(program_, step), buffers_.size());
    buffers_of_step_.push_back(at->second);
    if (!is_new) continue;
    const std::vector<TileExchange> loads = TRY(loads_of(step));
    ByTile& buffers = buffers_.emplace_back();
    for (const TileExchange& load : loads) buffers.push_back(load.buffer_bytes);
    if (coded.insert(exchange_code_key(program_, step)).second) add_exchange_code(loads);
  }
  distinct_exchanges_ = coded.size();
  return keep_between_turns();
}

// A value that two turns share stays there while the first one's partials are added up.
Status Accounting::keep_between_turns() {
  std::map<std::string, size_t> known;
  for (size_t s = 2; s < program_.supersteps.size(); ++s) {
    const Superstep* before = turn_before(program_, program_.supersteps[s]);
    if (before != &program_.supersteps[s - 2]) continue;
    Superstep kept;
    for (const Transfer& transfer : program_.supersteps[s].exchange)
      if (is_kept(before, transfer)) kept.exchange.push_back(transfer);
    size_t& between = buffers_of_step_[s - 1];
    const auto [at, is_new] = known.try_emplace(
        exchange_key(program_, kept) + '|' + std::to_string(between), buffers_.size());
    if (is_new) {
      ByTile buffers = buffers_[between];
      const std::vector<TileExchange> loads = TRY(loads_of(kept));
      for (size_t t = 0; t < tiles_; ++t) buffers[t] += loads[t].buffer_bytes;
      buffers_.push_back(std::move(buffers));
    }
    between = at->second;
  }
  return {};
}

Expected<std::vector<TileExchange>> Accounting::loads_of(const Superstep& step) {
  return work_ ? exchange_loads(program_, step, *work_) : exchange_loads(program_, step);
}

void Accounting::add_exchange_code(const std::vector<TileExchange>& loads) {
  for (size_t t = 0; t < tiles_; ++t) {
    const int64_t fragments = loads[t].received_fragments + loads[t].sent_fragments;
    if (fragments > 0) exchange_code_[t] += kCodePerExchange + fragments * kCodePerFragment;
  }
}

void Accounting::add_control() {
  const size_t distinct = std::max(distinct_exchanges_, temporaries_.size());
  control_code_ = static_cast<int64_t>(distinct) * kControlPerSuperstep;
}

bool Accounting::lives_at(size_t id, size_t step) const {
  const auto at = static_cast<int64_t>(step);
  return lives_[id].first <= at && at <= lives_[id].last;
}

std::vector<int64_t> Accounting::variables_by_step(size_t tile) const {
  std::vector<int64_t> bytes(program_.supersteps.size() + 2);
  for (size_t id = 0; id < lives_.size(); ++id) {
    if (lives_[id].last < lives_[id].first) continue;
    const int64_t here = bytes_on(id, tile);
    bytes[static_cast<size_t>(lives_[id].first)] += here;
    bytes[static_cast<size_t>(lives_[id].last) + 1] -= here;
  }
  std::partial_sum(bytes.begin(), bytes.end(), bytes.begin());
  return bytes;
}

MemoryUse Accounting::use_of(size_t tile, size_t step, int64_t variables) const {
  MemoryUse use{.constants = constants_[tile],
                .code = code_[tile],
                .vertex_state = state_[tile],
                .exchange_code = exchange_code_[tile],
                .control_code = control_code_,
                .stack = program_.target.stack_bytes,
                .reserved = program_.target.reserved_bytes};
  if (step < program_.supersteps.size()) {
    use.receive_buffers = buffers(step)[tile];
    use.temporaries = temporaries(step)[tile] + arranged(step, tile);
  }
  use.variables = variables;
  use.gaps = gaps_of(use.not_always_live());
  return use;
}

std::vector<MemoryHolder> Accounting::code_of(size_t tile) const {
  std::vector<MemoryHolder> code;
  for (const auto& [name, has_code] : codelets_)
    if (has_code[tile]) code.push_back({name, codelet_of(name).code_bytes});
  std::ranges::stable_sort(code, std::greater<>(), &MemoryHolder::bytes);
  return code;
}

std::vector<MemoryHolder> Accounting::holders(size_t tile, size_t step,
                                              const MemoryUse& use) const {
  std::vector<MemoryHolder> all;
  const auto add = [&all](std::string what, int64_t bytes) {
    if (bytes > 0) all.push_back({std::move(what), bytes});
  };
  for (size_t id = 0; id < lives_.size(); ++id) {
    const Variable& variable = program_.variables[id];
    if (variable.kind == VariableKind::Constant || lives_at(id, step))
      add("variable " + variable.name + stash_text(copies_[id]), bytes_on(id, tile));
  }
  for (const MemoryHolder& code : code_of(tile)) add("codelet " + code.what + " code", code.bytes);
  add("vertex state", use.vertex_state);
  add("exchange code", use.exchange_code);
  add("control code", use.control_code);
  if (step < program_.supersteps.size()) {
    add("receive buffers of " + program_.supersteps[step].name, use.receive_buffers);
    add("temporaries of " + program_.supersteps[step].name, use.temporaries);
  }
  add("gaps between variables", use.gaps);
  add("stack", use.stack);
  add("reserved for the runtime", use.reserved);
  std::ranges::stable_sort(all, std::greater<>(), &MemoryHolder::bytes);
  return all;
}

void Accounting::sweep(const std::function<void(size_t, const ByTile&)>& call) const {
  std::vector<std::vector<VariableId>> begins(program_.supersteps.size()), ends(begins);
  for (size_t id = 0; id < lives_.size(); ++id) {
    if (lives_[id].last < lives_[id].first || program_.supersteps.empty()) continue;
    begins[static_cast<size_t>(lives_[id].first)].push_back(static_cast<VariableId>(id));
    ends[static_cast<size_t>(lives_[id].last)].push_back(static_cast<VariableId>(id));
  }
  ByTile variables(tiles_), live(tiles_);
  const auto add_all = [&](const std::vector<VariableId>& ids, int64_t sign) {
    for (VariableId id : ids)
      add_blocks(program_.variables[static_cast<size_t>(id)],
                 sign * copies_[static_cast<size_t>(id)], variables);
  };
  for (size_t step = 0; step < program_.supersteps.size(); ++step) {
    add_all(begins[step], 1);
    for (size_t t = 0; t < tiles_; ++t)
      live[t] = variables[t] + buffers(step)[t] + temporaries(step)[t] + arranged(step, t);
    call(step, live);
    add_all(ends[step], -1);
  }
}

}  // namespace tessera
