// SPDX-License-Identifier: Apache-2.0
// Where a batch's host time goes: seconds by superstep, and what share of the host's fused products
// the matmuls reach. The batch is the synthetic workload's: lengths of normal(128, 128), one to a
// row; end to end in full rows where the executable packs. With TOKENS the batch holds one request
// of that length, and no share of products is told: the machine computes fewer than a batch has.
//
//   bench_steps MODEL.popef [THREADS] [RUNS] [TOKENS]
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <random>
#include <string>

#include "bench/peak.h"
#include "codelets/codelet.h"
#include "executor/jit.h"
#include "executor/machine.h"
#include "program/boxes.h"
#include "program/popef.h"
#include "program/read_popef.h"

namespace tessera {
namespace {

struct Row {
  double seconds = 0, macs = 0;
};

// Products of all vertices of a superstep; 0 where it is not a matmul.
double macs_of(const Program& program, const Superstep& step) {
  const Codelet* codelet = find_codelet(step.compute.codelet);
  if (codelet->role != Role::Product) return 0;
  const VertexClasses alike = alike_vertices(step.compute);
  std::vector<double> macs;
  for (const int64_t k : alike.representative) {
    macs.push_back(static_cast<double>(codelet->products(vertex_shape(program, step.compute, k))));
  }
  double sum = 0;
  for (const int32_t c : alike.of_vertex) sum += macs[static_cast<size_t>(c)];
  return sum;
}

// "Add_119_output_0/partials" and "Add_220_output_0/partials" are one row of the table.
std::string kind_of(const HostStep& step, double macs) {
  if (macs > 0) return fmt::format("matmul of {:.1f} GFLOP", 2e-9 * macs);
  return step.codelet;
}

struct Segments {
  std::vector<int32_t> mask, positions;
};

Segments segments_of(const Shape& shape, bool packed, std::mt19937& random) {
  std::normal_distribution<double> normal(128, 128);
  Segments out;
  for (int64_t row = 0; row < shape[0]; ++row) {
    int32_t id = 1;
    for (int64_t at = 0; at < shape[1]; ++id) {
      const auto drawn = std::clamp<int64_t>(static_cast<int64_t>(normal(random)), 1, shape[1]);
      const int64_t length = std::min(drawn, shape[1] - at);
      const bool request = packed || at == 0;
      const int64_t count = request ? length : shape[1] - at;
      for (int64_t i = 0; i < count; ++i, ++at) {
        out.mask.push_back(request ? id : 0);
        out.positions.push_back(static_cast<int32_t>(packed ? i : at));
      }
    }
  }
  return out;
}

using Inputs = std::vector<std::vector<int32_t>>;

Inputs inputs_of(const Program& program) {
  std::mt19937 random(2023);
  bool packed = false;
  for (VariableId id : program.inputs) {
    packed |= program.variables[static_cast<size_t>(id)].name == "position_ids";
  }
  Inputs inputs;
  for (VariableId id : program.inputs) {
    const Variable& v = program.variables[static_cast<size_t>(id)];
    std::mt19937 same(7);
    const Segments segments = segments_of(v.shape, packed, same);
    if (v.name == "attention_mask") {
      inputs.push_back(segments.mask);
    } else if (v.name == "position_ids") {
      inputs.push_back(segments.positions);
    } else {
      inputs.emplace_back();
      const bool ids = v.name == "input_ids";
      for (int64_t i = 0; i < elements(v.shape); ++i) {
        inputs.back().push_back(ids ? static_cast<int32_t>(random() % 30000) : 0);
      }
    }
  }
  return inputs;
}

// Leaves `tokens` cells of the first row, which are one request's.
UsedCells keep_one(const Program& program, Inputs& inputs, int64_t tokens) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (std::ssize(inputs[i]) > tokens) std::fill(inputs[i].begin() + tokens, inputs[i].end(), 0);
    const std::string& name = program.variables[static_cast<size_t>(program.inputs[i])].name;
    for (int64_t cell = 0; cell < tokens; ++cell) {
      if (name == "attention_mask") inputs[i][static_cast<size_t>(cell)] = 1;
      if (name == "position_ids") inputs[i][static_cast<size_t>(cell)] = static_cast<int32_t>(cell);
    }
    if (name == "unpack_info") {
      const Shape& shape = program.variables[static_cast<size_t>(program.inputs[i])].shape;
      std::fill(inputs[i].begin(), inputs[i].end(), 0);
      inputs[i][static_cast<size_t>(shape[1] - 1)] = static_cast<int32_t>(tokens);
    }
  }
  UsedCells used(inputs[0].size());
  std::fill_n(used.begin(), tokens, true);
  return used;
}

void run(Machine& machine, int64_t tokens) {
  const Program& program = machine.executable().program;
  Inputs inputs = inputs_of(program);
  const UsedCells used = tokens > 0 ? keep_one(program, inputs, tokens) : UsedCells();
  std::vector<std::span<const std::byte>> in;
  for (const auto& input : inputs) in.push_back(std::as_bytes(std::span(input)));
  std::vector<std::vector<std::byte>> outputs;
  for (VariableId id : program.outputs) {
    outputs.emplace_back(static_cast<size_t>(program.variables[static_cast<size_t>(id)].bytes()));
  }
  const std::vector<std::span<std::byte>> out(outputs.begin(), outputs.end());
  if (const Status status = machine.run(in, out, used); !status.ok()) {
    fmt::print(stderr, "{}\n", status.error().message);
    std::exit(1);
  }
}

// Without `peak` no share of it.
void print_profile(Machine& machine, int runs, std::optional<double> peak) {
  std::map<std::string, Row> rows;
  double all = 0;
  const std::vector<HostStep> profile = machine.host_profile();
  const Program& program = machine.executable().program;
  for (size_t s = 0; s < profile.size(); ++s) {
    const double macs = macs_of(program, program.supersteps[s]);
    Row& row = rows[kind_of(profile[s], macs)];
    row.seconds += profile[s].seconds / runs;
    row.macs += macs;
    all += profile[s].seconds / runs;
  }
  fmt::print("a batch takes {:.1f} ms\n", 1e3 * all);
  for (const auto& [kind, row] : rows) {
    fmt::print("{:<26} {:>8.2f} ms {:>5.1f} %", kind, 1e3 * row.seconds, 100 * row.seconds / all);
    const double gflops = 2e-9 * row.macs / row.seconds;
    if (row.macs > 0 && peak)
      fmt::print("  {:>5.1f} GFLOP/s, {:.1f} % of peak", gflops, 100 * gflops / *peak);
    fmt::print("\n");
  }
}

}  // namespace
}  // namespace tessera

int main(int count, char** words) {
  using namespace tessera;
  if (count < 2) {
    fmt::print(stderr, "usage: bench_steps MODEL.popef [THREADS] [RUNS] [TOKENS]\n");
    return 2;
  }
  const int threads = count > 2 ? std::atoi(words[2]) : 2;
  const int runs = count > 3 ? std::atoi(words[3]) : 3;
  const int tokens = count > 4 ? std::atoi(words[4]) : 0;  // 0: the workload's
  const std::shared_ptr<Jit> jit = must(Jit::create());
  const Peak peak(*jit);
  const auto executable =
      std::make_shared<const Executable>(must(read_popef(words[1], check_compute_set)));
  const std::unique_ptr<Machine> machine =
      must(Machine::load(executable, {.threads = threads, .jit = jit}));
  fmt::print("loaded in {:.0f} ms, {:.0f} MiB\n", 1e3 * machine->load_seconds(),
             static_cast<double>(machine->host_bytes()) / (1 << 20));
  run(*machine, tokens);
  machine->host_profile();
  const double before = peak.gflops(threads);
  for (int i = 0; i < runs; ++i) run(*machine, tokens);
  const double after = peak.gflops(threads);
  fmt::print("{} threads, fused products alone {:.1f} and {:.1f} GFLOP/s\n", threads, before,
             after);
  print_profile(*machine, runs, tokens > 0 ? std::nullopt : std::optional(std::max(before, after)));
}
