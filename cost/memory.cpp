// SPDX-License-Identifier: Apache-2.0
// Memory of each tile over time. Always live: what the runtime reserves, stacks, the blocks of
// constants, a copy of each codelet that runs there, and vertex state, exchange code and control
// code, all three once for supersteps that differ only in their variables. Live by turns: a
// variable from the superstep that writes it to the last that reads it, and what a superstep
// receives and its vertices need, while it lasts.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "codelets/codelet.h"
#include "cost/arrangement.h"
#include "cost/cost.h"
#include "cost/exchange.h"
#include "support/check.h"

namespace tessera {
namespace {

// Sources: docs/model.md.
constexpr int64_t kCodePerFragment = 12;  // three instructions
constexpr int64_t kCodePerExchange = 100;
constexpr int64_t kControlPerSuperstep = 100;  // of those that differ
constexpr int64_t kGapPercent = 4;
constexpr size_t kLargest = 5;

using ByTile = std::vector<int64_t>;

int64_t gaps(int64_t bytes) { return (bytes * kGapPercent + 99) / 100; }

// First and last superstep at which a variable's bytes are there; none if last < first.
struct Life {
  int64_t first = 0, last = -1;
};

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

void add_blocks(const Variable& variable, int64_t sign, ByTile& bytes) {
  const int64_t blocks = block_count(variable.mapping);
  for (int64_t k = 0; k < blocks; ++k)
    bytes[static_cast<size_t>(variable.mapping.first.value + k)] +=
        sign * elements(block_at(variable.mapping, k)) * size_of(variable.dtype);
}

const Codelet& codelet_of(const std::string& name) {
  const Codelet* codelet = find_codelet(name);
  CHECK(codelet != nullptr);
  return *codelet;
}

class Accounting {
 public:
  // Without a limit where `work` is null.
  Accounting(const Program& program, WorkLimit* work)
      : program_(program),
        work_(work),
        tiles_(static_cast<size_t>(program.target.tiles)),
        lives_(lives_of(program)),
        constants_(tiles_),
        code_(tiles_),
        state_(tiles_),
        exchange_code_(tiles_) {
    for (const Variable& variable : program.variables)
      if (variable.kind == VariableKind::Constant) add_blocks(variable, 1, constants_);
    add_codelets();
    const std::vector<Arrangement> written = written_arrangements(program);
    for (const Superstep& step : program.supersteps)
      arranged_.push_back(arranged_bytes(program, step, written));
  }

  Expected<MemoryReport> run() {
    TRY(add_exchanges());
    add_control();
    MemoryReport report;
    for (size_t t = 0; t < tiles_; ++t) report.always_live_by_tile.push_back(always(t));
    report.peak_by_tile = report.always_live_by_tile;
    std::vector<size_t> peak_step(tiles_, 0);
    sweep([&](size_t step, const ByTile& live) {
      report.live_by_superstep.push_back(0);
      for (size_t t = 0; t < tiles_; ++t) {
        report.live_by_superstep.back() += live[t];
        const int64_t bytes = always(t) + live[t] + gaps(live[t]);
        if (bytes <= report.peak_by_tile[t]) continue;
        report.peak_by_tile[t] = bytes;
        peak_step[t] = step;
      }
    });
    const auto fullest = static_cast<size_t>(
        std::max_element(report.peak_by_tile.begin(), report.peak_by_tile.end()) -
        report.peak_by_tile.begin());
    report.fullest.value = static_cast<uint32_t>(fullest);
    if (!program_.supersteps.empty())
      report.peak_superstep = program_.supersteps[peak_step[fullest]].name;
    const std::vector<int64_t> variables = variables_by_step(fullest);
    report.at_peak = use_of(fullest, peak_step[fullest], variables);
    report.largest = holders(fullest, peak_step[fullest], report.at_peak);
    report.largest.resize(std::min(report.largest.size(), kLargest));
    report.code = code_of(fullest);
    for (size_t step = 0; step < program_.supersteps.size(); ++step)
      report.fullest_by_superstep.push_back(use_of(fullest, step, variables));
    report.fits = report.peak_by_tile[fullest] <= program_.target.bytes_per_tile;
    return report;
  }

 private:
  int64_t always(size_t t) const {
    return constants_[t] + code_[t] + state_[t] + exchange_code_[t] + control_code_ +
           program_.target.stack_bytes + program_.target.reserved_bytes;
  }

  void add_codelets() {
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

  void add_code(const ComputeSet& set) {
    std::vector<bool>& has_code =
        codelets_.try_emplace(set.codelet, std::vector<bool>(tiles_)).first->second;
    const size_t first = set.grid.first.value;
    for (size_t t = first; t < first + static_cast<size_t>(vertex_count(set.grid)); ++t) {
      if (!has_code[t]) code_[t] += codelet_of(set.codelet).code_bytes;
      has_code[t] = true;
    }
  }

  void add_vertices(const ComputeSet& set) {
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
      const size_t tile = set.grid.first.value + k;
      state_[tile] += state[static_cast<size_t>(classes.of_vertex[k])];
      temporaries[tile] = temporary[static_cast<size_t>(classes.of_vertex[k])];
    }
  }

  Status add_exchanges() {
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
    return {};
  }

  Expected<std::vector<TileExchange>> loads_of(const Superstep& step) {
    return work_ ? exchange_loads(program_, step, *work_) : exchange_loads(program_, step);
  }

  void add_exchange_code(const std::vector<TileExchange>& loads) {
    for (size_t t = 0; t < tiles_; ++t) {
      const int64_t fragments = loads[t].received_fragments + loads[t].sent_fragments;
      if (fragments > 0) exchange_code_[t] += kCodePerExchange + fragments * kCodePerFragment;
    }
  }

  void add_control() {
    const size_t distinct = std::max(distinct_exchanges_, temporaries_.size());
    control_code_ = static_cast<int64_t>(distinct) * kControlPerSuperstep;
  }

  const ByTile& buffers(size_t step) const { return buffers_[buffers_of_step_[step]]; }
  const ByTile& temporaries(size_t step) const { return temporaries_[temporaries_of_step_[step]]; }

  // Calls with the bytes by tile that are live at each superstep, and not always.
  template <class Call>
  void sweep(Call&& call) const {
    std::vector<std::vector<VariableId>> begins(program_.supersteps.size()), ends(begins);
    for (size_t id = 0; id < lives_.size(); ++id) {
      if (lives_[id].last < lives_[id].first || program_.supersteps.empty()) continue;
      begins[static_cast<size_t>(lives_[id].first)].push_back(static_cast<VariableId>(id));
      ends[static_cast<size_t>(lives_[id].last)].push_back(static_cast<VariableId>(id));
    }
    ByTile variables(tiles_), live(tiles_);
    const auto add_all = [&](const std::vector<VariableId>& ids, int64_t sign) {
      for (VariableId id : ids)
        add_blocks(program_.variables[static_cast<size_t>(id)], sign, variables);
    };
    for (size_t step = 0; step < program_.supersteps.size(); ++step) {
      add_all(begins[step], 1);
      for (size_t t = 0; t < tiles_; ++t)
        live[t] = variables[t] + buffers(step)[t] + temporaries(step)[t] + arranged_[step];
      call(step, live);
      add_all(ends[step], -1);
    }
  }

  bool lives_at(size_t id, size_t step) const {
    const auto at = static_cast<int64_t>(step);
    return lives_[id].first <= at && at <= lives_[id].last;
  }

  // Bytes of the variables that live by turns on a tile, by superstep.
  std::vector<int64_t> variables_by_step(size_t tile) const {
    std::vector<int64_t> bytes(program_.supersteps.size() + 2);
    for (size_t id = 0; id < lives_.size(); ++id) {
      if (lives_[id].last < lives_[id].first) continue;
      const int64_t here =
          bytes_on_tile(program_.variables[id], TileId{static_cast<uint32_t>(tile)});
      bytes[static_cast<size_t>(lives_[id].first)] += here;
      bytes[static_cast<size_t>(lives_[id].last) + 1] -= here;
    }
    std::partial_sum(bytes.begin(), bytes.end(), bytes.begin());
    return bytes;
  }

  MemoryUse use_of(size_t tile, size_t step, const std::vector<int64_t>& variables) const {
    MemoryUse use{.constants = constants_[tile],
                  .code = code_[tile],
                  .vertex_state = state_[tile],
                  .exchange_code = exchange_code_[tile],
                  .control_code = control_code_,
                  .stack = program_.target.stack_bytes,
                  .reserved = program_.target.reserved_bytes};
    if (step < program_.supersteps.size()) {
      use.receive_buffers = buffers(step)[tile];
      use.temporaries = temporaries(step)[tile] + arranged_[step];
    }
    use.variables = variables[step];
    use.gaps = gaps(use.not_always_live());
    return use;
  }

  std::vector<MemoryHolder> code_of(size_t tile) const {
    std::vector<MemoryHolder> code;
    for (const auto& [name, has_code] : codelets_)
      if (has_code[tile]) code.push_back({name, codelet_of(name).code_bytes});
    std::ranges::stable_sort(code, std::greater<>(), &MemoryHolder::bytes);
    return code;
  }

  // Largest first.
  std::vector<MemoryHolder> holders(size_t tile, size_t step, const MemoryUse& use) const {
    std::vector<MemoryHolder> all;
    const auto add = [&all](std::string what, int64_t bytes) {
      if (bytes > 0) all.push_back({std::move(what), bytes});
    };
    for (size_t id = 0; id < lives_.size(); ++id) {
      const Variable& variable = program_.variables[id];
      if (variable.kind == VariableKind::Constant || lives_at(id, step))
        add("variable " + variable.name,
            bytes_on_tile(variable, TileId{static_cast<uint32_t>(tile)}));
    }
    for (const MemoryHolder& code : code_of(tile))
      add("codelet " + code.what + " code", code.bytes);
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

  const Program& program_;
  WorkLimit* const work_;
  const size_t tiles_;
  const std::vector<Life> lives_;
  ByTile constants_, code_, state_, exchange_code_;
  int64_t control_code_ = 0;  // the same on every tile
  size_t distinct_exchanges_ = 0;
  std::map<std::string, std::vector<bool>> codelets_;  // the tiles that have each one's code
  std::vector<ByTile> buffers_;                        // by distinct exchange
  std::vector<ByTile> temporaries_;                    // by distinct compute set
  std::vector<size_t> buffers_of_step_, temporaries_of_step_;
  std::vector<int64_t> arranged_;  // by superstep, the same on every tile
};

// What takes the room decides what would make room. Constants tell the precision that was asked
// for: sums may be f32 in any.
std::string ways_out(const Program& program, const MemoryReport& report) {
  int64_t wide = 0, all = 0;
  for (const Variable& variable : program.variables) {
    if (variable.kind != VariableKind::Constant) continue;
    all += variable.bytes();
    if (variable.dtype == DType::F32) wide += variable.bytes();
  }
  std::string ways = "a smaller batch or shorter rows (--input_shape)";
  if (wide * 2 > all) ways += ", halves for floats (--precision fp16)";
  for (const MemoryHolder& holder : report.largest)
    if (holder.what.starts_with("receive buffers"))
      ways += ", smaller temporaries (--available_memory_proportion)";
  return ways + ", a model with fewer weights";
}

}  // namespace

MemoryReport program_memory(const Program& program) {
  return Accounting(program, nullptr).run().take();
}

Expected<MemoryReport> program_memory(const Program& program, WorkLimit& work) {
  return Accounting(program, &work).run();
}

Error out_of_memory_error(const Program& program, const MemoryReport& report) {
  const uint32_t tile = report.fullest.value;
  std::string message =
      fmt::format("Out of memory on tile {}: {} bytes used but tiles only have {} bytes of memory",
                  tile, report.peak_by_tile[tile], program.target.bytes_per_tile);
  message +=
      fmt::format("\n  most is used in superstep '{}', the largest there:", report.peak_superstep);
  for (const MemoryHolder& holder : report.largest)
    message += fmt::format("\n  {:>10}  {}", holder.bytes, holder.what);
  message += "\n  what would help: " + ways_out(program, report);
  return {message, ErrorKind::OutOfMemory};
}

}  // namespace tessera
