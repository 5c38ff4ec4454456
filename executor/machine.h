// SPDX-License-Identifier: Apache-2.0
// The simulated IPU: carries out a verified Program. Two ways, the same bytes and the same cycles:
//
// - Direct: host buffers hold whole variables, row-major, their places shared by liveness; an
//   exchange costs nothing. The Program's parts for its tiles are joined (joined.h) and cut again
//   for this host (pieces.h), so its speed does not depend on how many tiles there are.
// - Isolated: every tile has a memory of its own, poisoned before use; exchanges copy; a vertex
//   gets pointers into its own tile alone. For tests and doubters; slow.
//
// Time is the Program's (cost/cost.h), never the host's.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cost/cost.h"
#include "program/popef.h"
#include "support/expected.h"
#include "support/limits.h"
#include "support/minisign.h"

namespace tessera {

class Jit;            // executor/jit.h
struct JitCounts;     // executor/jit.h
struct MatMulBlocks;  // codelets/matmul.h

// Whether each cell of a batch, [rows,row_length] row-major, holds a token of a request. Empty: all
// of them do.
using UsedCells = std::vector<bool>;

// Error::type of a run in which the graph computed an index that its table does not have, or a
// score so large that a mask does not hide its key.
inline constexpr std::string_view kIndexOutOfRange = "out_of_range";

enum class MachineKind : uint8_t { Direct, Isolated };

// The folder that keeps compiled codelets between processes, unless a caller names another:
// TESSERA_OBJECT_CACHE if it is set ("": no cache), else $XDG_CACHE_HOME/tessera/objects
// or ~/.cache/tessera/objects. "" if neither variable nor a home folder is set.
std::string default_object_cache();

struct MachineOptions {
  MachineKind kind = MachineKind::Direct;
  int threads = 0;       // host threads; 0: one per core
  std::string cpu = {};  // JIT for this CPU; "": this host's
  // Where compiled codelets are kept between processes; "": nowhere.
  std::string cache_folder = default_object_cache();
  // Run each superstep's vertices last to first: the answers must not change.
  bool reverse_tiles = false;
  // Memory holds this before each run, wherever nothing has been written: answers must not change.
  std::optional<std::byte> fill = {};
  // Direct, with more than one thread: cut every step that can be, also into pieces that are not
  // worth a call. Answers must not change.
  bool small_pieces = false;
  // Keeps compiled codelets for the next machine that is given it (not at the same time), whose
  // `cpu` and `cache_folder` are then this one's. Null: the machine has one to itself.
  std::shared_ptr<Jit> jit = {};
  // Direct: how products are blocked. Null: as `tessera tune` found for this host and kept in
  // cache_folder (executor/host_tuning.h), else as usual. Answers must not change.
  std::shared_ptr<const MatMulBlocks> blocks = {};
  Limits limits = {};  // of one load and of one run
  // Executables that are loaded from a file must be signed by this key (program/popef.h).
  std::optional<PublicKey> require_signature = {};
};

// The host's work in one run, as it was planned at load: counted, so that tests can hold it.
struct HostWork {
  int64_t steps = 0;          // each ends in a barrier
  int64_t calls = 0;          // of kernels
  int64_t operand_bytes = 0;  // that the calls are handed, read or written
};

struct HostStep {  // host wall time of one superstep of one run, for profiles
  std::string name;
  std::string codelet;
  double seconds = 0;
};

class Machine {
 public:
  // Compiles the codelets, lays out memory, loads constants. The executable must be verified; that
  // what is made of it stays inside its variables is proved once more (inside.h). A
  // program that a tile's memory does not hold is an OutOfMemory error in Poplar's words.
  static Expected<std::unique_ptr<Machine>> load(std::shared_ptr<const Executable> executable,
                                                 const MachineOptions& options = {});
  ~Machine();

  // One batch. Buffers in the order of program.inputs and program.outputs, exactly their
  // variables' bytes, in the variables' dtypes, row-major; the caller owns them. Where there are
  // several replicas, each takes its rows, and a buffer has the bytes of all. Not thread-safe:
  // one run at a time (ModelRunner queues). Errors: a buffer of another size; an isolated tile that
  // is handed an operand that it does not hold; compiled code that faults, by superstep; an
  // index that the graph computed for a used cell and its table does not have, by node; a key in a
  // used cell that the model's mask does not hide beside such scores, by node; a file of constants
  // that was cut off since it was read. Rows of a batch behind the last used cell are not computed
  // where that changes no other row; their part of an output is then zeros, on either kind of
  // machine.
  Status run(std::span<const std::span<const std::byte>> inputs,
             std::span<const std::span<std::byte>> outputs, const UsedCells& used = {});

  const ProgramCost& cost() const;  // modelled
  const Executable& executable() const;
  int threads() const;
  double load_seconds() const;  // host
  int64_t host_bytes() const;   // buffers and calls, those of runs of few rows among them
  HostWork host_work() const;   // direct; isolated: zeros, for it plans nothing
  // Codelets that this machine's JIT compiled and those that it found compiled, so far.
  JitCounts jit_counts() const;
  // Why the cache folder is not used, "" where it is or none was asked for.
  const std::string& cache_problem() const;
  // Isolated: bytes that came to a tile from another in the last run, by superstep, counted as they
  // were copied: what cost/cost.h says they are. Direct moves none: empty.
  std::vector<int64_t> exchanged_bytes() const;
  // How products are blocked.
  const MatMulBlocks& blocks() const;
  // Host time by superstep, summed over the runs since the last call; collected once asked for. A
  // superstep that is carried out together with the one before it takes none.
  std::vector<HostStep> host_profile();

 private:
  static Expected<std::unique_ptr<Machine>> load_unguarded(
      std::shared_ptr<const Executable> executable, const MachineOptions& options);
  Machine();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tessera
