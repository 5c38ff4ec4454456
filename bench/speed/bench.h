// SPDX-License-Identifier: Apache-2.0
// The sections of bench_speed share this: models and executables that it makes itself, the table,
// the peer, and runs that are taken in turn.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bench/peak.h"
#include "bench/speed/peer.h"
#include "bench/speed/table.h"
#include "compiler/compile.h"
#include "compiler/onnx/make/make_model.h"
#include "executor/jit.h"
#include "executor/model_runner.h"
#include "support/expected.h"

namespace tessera::speed {

// Seconds of one call of each, one round after the other: series[contestant][round]. A first round
// to warm up is not counted.
using Contestant = std::function<Expected<double>()>;  // seconds, as it counts them
Expected<std::vector<std::vector<double>>> alternate(int rounds,
                                                     const std::vector<Contestant>& contestants);
// The seconds that `work` takes.
Expected<double> timed(const std::function<Status()>& work);

struct BenchOptions {
  int threads = 2;
  int rounds = 5;  // of a whole model; shorter things are measured more often
};

class Bench {
 public:
  // Files go to `folder`, which is the caller's.
  static Expected<std::unique_ptr<Bench>> create(std::string folder, const BenchOptions& options);

  const BenchOptions& options() const { return options_; }
  const std::string& folder() const { return folder_; }
  const Peak& peak() const { return *peak_; }
  Table& table() { return table_; }
  // One line on stderr, if that is a terminal.
  void progress(const std::string& what) const;

  // The path of a model of make-model's, written once.
  Expected<std::string> model(const std::string& name, const MakeModelOptions& options);
  Expected<std::string> bert_base();
  // The path of an executable, compiled once.
  Expected<std::string> executable(const std::string& name, const std::string& model,
                                   const CompileOptions& options);
  // The peer with that model, started once; its absence is an error that says why.
  Expected<Peer*> peer(const std::string& model);
  // One of bench/peers.py with that model and more of its flags, or the reason why not.
  Expected<std::unique_ptr<Peer>> engine(const std::string& name, const std::string& model,
                                         const MakeModelOptions& made,
                                         const std::vector<std::string>& more) const;
  void stop_peers() { peers_.clear(); }
  const std::string& peer_version() const { return peer_version_; }

 private:
  Bench() = default;
  std::string folder_;
  BenchOptions options_;
  std::unique_ptr<Jit> peak_jit_;  // whose the peak's code is
  std::unique_ptr<Peak> peak_;
  Table table_;
  std::map<std::string, std::unique_ptr<Peer>> peers_;
  std::string peer_version_;
};

// The Python that bench/peers.py runs in: TESSERA_PEERS_PYTHON, or python3.
std::string peers_python();
// input_ids, attention_mask and token_type_ids at one shape, fp16.
CompileOptions bert_options(int64_t rows, int64_t length);
// A machine of any size for what is measured on the host only: each tile has memory enough for
// everything.
Target roomy_target(int64_t tiles);

// An executable with buffers for its inputs (random floats and ids; ones where the name says mask)
// and outputs. Not zeros: rows that are equal are computed once.
class Runner {
 public:
  static Expected<std::unique_ptr<Runner>> load(const std::string& popef, int threads);
  static Expected<std::unique_ptr<Runner>> create(Executable executable, int threads);
  Status run();
  // Seconds of the supersteps of one run, host copies left out.
  Expected<double> supersteps();
  Machine& machine() { return *machine_; }
  // Overwrites an int32 input.
  void set_input(const std::string& name, const std::vector<int32_t>& values);

 private:
  Runner() = default;
  Status allocate();
  std::unique_ptr<Machine> machine_;
  std::vector<std::vector<std::byte>> inputs_, outputs_;
};

// From the text of a graph (docs/ir.md), for a roomy machine of `tiles`.
Expected<Executable> compile_text(const std::string& graph, int64_t tiles = 1472);

// --- The sections ---

Status run_matmul(Bench& bench);
Status run_attention(Bench& bench);
Status run_share(Bench& bench);
Status run_model(Bench& bench);
Status run_peers(Bench& bench);
Status run_sentences(Bench& bench);
Status run_threads(Bench& bench);
Status run_tiles(Bench& bench);
Status run_scaling(Bench& bench);
Status run_small(Bench& bench);
Status run_load(Bench& bench);
Status run_memory(Bench& bench);
// The process that run_load and run_memory start: bench_speed itself, afresh.
int child_main(int argc, char** argv);

}  // namespace tessera::speed
